"""A loaded model and texts → answers, scores of single tokens, what was lost between two models, guards.

Nothing here knows of runs, checkpoints or pages. It imports `experiments` (how YAML is read), `models`, `tokens`,
`tasks` and `common`.
"""
