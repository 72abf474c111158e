"""Pure functions from data frames to Plotly figures, for pages and exported reports alike."""
