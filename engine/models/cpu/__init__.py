"""Parts of a model come in, the same that take a CPU less time go out. It imports nothing of ours."""
