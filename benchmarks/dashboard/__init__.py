"""What the dashboard costs: pages, refreshes, bytes, latency, and the training beside it."""
