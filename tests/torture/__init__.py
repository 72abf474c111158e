"""Runs that are killed with SIGKILL, beside undisturbed ones: `make torture`; `tests/test_torture.py` is short."""
