"""EleutherAI's lm-evaluation-harness beside runs: a checkpoint → the command that evaluates it there; its results file
→ checked values, kept with the run.

The harness itself is neither imported nor started. It imports the rooms of models and common.
"""
