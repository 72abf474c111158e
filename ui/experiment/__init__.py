"""The Experiment page is made of these parts: the form's values come in, a checked experiment goes out. It imports
`ui/server`, `ui/widgets` and the engine."""
