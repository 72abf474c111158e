"""An experiment and its tasks come in; what it will cost and how its tasks overlap go out, before anything is trained.
It imports `training`, `experiments`, `strategies`, `models`, `tokens`, `tasks` and `common`."""
