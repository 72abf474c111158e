"""A run's checkpoint comes in; its model card, as the hub has them, goes out. It imports `results`, `store`, `models`,
`experiments`, `persistence`, `strategies` and `common`."""
