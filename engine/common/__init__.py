"""What every room may use, and nothing of which knows language models: errors, quoting, paths, random streams, files
that survive a kill. It imports no other room."""
