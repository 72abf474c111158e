"""Pages are made of the parts in this folder. A room imports `ui/server`, `ui/widgets`, `figures` and the engine, never
another page's room."""
