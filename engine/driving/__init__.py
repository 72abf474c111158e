"""A claimed run comes in, with what executes it, and its events go into the store; what users ask of it goes to its
control. It imports `engine/execution`, `engine/store` and the rooms below them."""
