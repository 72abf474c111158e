"""What a visitor enters on the Experiment page comes in; a checked experiment goes out. The server keeps the draft over
reloads, tabs and restarts. It imports `ui/server`, `ui/widgets` and the engine."""
