"""Data frames come in; Plotly figures, for pages and exported reports alike, go out. It imports of ours nothing but
`engine/common/numerals`."""
