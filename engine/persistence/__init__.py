"""Weights, states, events and tensors come in, and are found again after any kill by the content that determines them.
It imports `strategies`, `models`, `events` and `common`."""
