"""A user's file comes in; its kind, its encoding and its plain contents go out. It imports `common`."""
