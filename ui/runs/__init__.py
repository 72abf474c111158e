"""The table of all experiments and runs, the bin and the log.

The store's tables and a visitor's choices come in; rows, their columns, and what is said of a chosen one go out. It
imports `manage`, `server`, `widgets` and the engine below.
"""
