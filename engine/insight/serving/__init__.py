"""Requests of all browsers → results, by a queue and one process that gives way to a run that trains. It imports
`insight`, `store` and `common`."""
