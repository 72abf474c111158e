"""The stored scores of runs come in; summaries, comparisons, verdicts and exports go out. It imports `store`,
`experiments`, `persistence`, `strategies`, `events` and `common`."""
