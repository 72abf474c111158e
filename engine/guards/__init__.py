"""Files of guards → guards: prompts with what must stay true of a model's answers.

What a guard is, and how an answer is compared, stands here; a model is held to it in `insight/measures`. It imports
`tasks` and `common`.
"""
