"""The cost of the dashboard: pages, refreshes, bytes, latency, and the training beside it."""
