"""A YAML file or a form's values come in; an experiment as validated data goes out. It imports `strategies`, `models`,
`tasks` and `common`."""
