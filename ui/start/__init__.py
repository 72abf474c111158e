"""The store's runs at a glance come in; what runs, what ended since the last visit and what failed goes out, as parts
of a page. It imports `engine/store`, `engine/strategies`, `engine/experiments`, `figures`, `ui/server` and
`ui/widgets`."""
