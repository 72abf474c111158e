"""What pages are made of. A room imports `ui/server`, `ui/widgets`, `figures` and the engine, never another page's
room."""
