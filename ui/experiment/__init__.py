"""The Experiment page is made of these parts: the form's values come in, a checked and started experiment goes
out. It imports `ui/outlook`, `ui/drafts`, `ui/server`, `ui/widgets` and the engine."""
