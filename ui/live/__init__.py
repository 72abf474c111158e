"""The Live page is made of these parts: the store comes in, fragments that are sent when they change go out. It imports
`ui/server`, `ui/widgets`, `figures` and the engine."""
