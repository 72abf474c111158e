"""An experiment that has ended, and one more task from the library or a file → the experiment that continues it.

It imports `ui/tasks`, `ui/manage`, `ui/server`, `ui/widgets` and the engine.
"""
