"""What a model says and what it forgot: runs that are there → answers, token by token scores, passages.

Checkpoints and texts come in; answers side by side and scores of every held-out token go out, computed in a process of
its own and kept by content. It imports every room of the engine below the command line.
"""
