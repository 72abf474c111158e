"""A word comes in; the link to its explanation goes out. It imports `ui/widgets`."""
