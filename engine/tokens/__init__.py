"""Documents come in; packed blocks of tokens, with a mark on what is learnt, go out. It imports `tasks` and
`common`."""
