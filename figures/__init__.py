"""Data frames come in; Plotly figures, for pages and exported reports alike, go out. It imports of ours nothing but
`engine/common/numerals` and the short names of runs, `engine/strategies/short_names`."""
