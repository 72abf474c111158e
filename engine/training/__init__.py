"""Tasks in tokens, a model and a strategy come in; events go out. The loop over stages and steps knows neither the
store nor a page. It imports `persistence`, `experiments`, `strategies`, `models`, `tokens`, `events` and
`common`."""
