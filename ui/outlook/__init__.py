"""An experiment that is not started yet comes in; what it will take, how alike its tasks are and what its seeds can
show go out. It imports `ui/drafts`, `ui/server`, `ui/widgets` and the engine."""
