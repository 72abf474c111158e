"""The Tasks page is made of these parts: files come in, tasks in the library go out. It imports `ui/server`,
`ui/widgets`, `figures` and the engine."""
