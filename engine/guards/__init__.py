"""Files of guards → guards: prompts with what must stay true of a model's answers; the sets of them that a user keeps.

What a guard is, and how an answer is compared, stands here; a model is held to it in `insight/measures`. It imports
`tasks` and `common`.
"""
