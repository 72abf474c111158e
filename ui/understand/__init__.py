"""The Understand page is made of these parts: runs that are there and a visitor's choices come in; requests to their
models, answers and coloured texts go out. It imports `ui/server`, `ui/widgets`, `figures` and the engine."""
