"""The server's routes beside its pages: what a store has recorded, as JSON, and the figures that pages show of it. It
imports `ui/live`, `ui/server`, `ui/widgets`, `figures` and the engine."""
