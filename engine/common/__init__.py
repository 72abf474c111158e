"""Every room may use this one, which knows nothing of language models: errors, quoting, paths, random streams, files
that survive a kill. It imports no other room."""
