"""The lengths of a task's documents."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from figures import theme
from figures.colours import PALETTE

BINS = 30


def lengths_figure(lengths: Sequence[int], unit: str = "tokens") -> go.Figure:
    """Histogram of document lengths, on a logarithmic axis where they differ a hundredfold."""
    if not lengths:
        return theme.empty_figure("There are no documents.")
    wide = max(lengths) > 100 * max(1, min(lengths))
    edges = _edges(lengths, wide)
    counts, _ = np.histogram(lengths, bins=edges)
    lows, highs = np.array(edges[:-1]), np.array(edges[1:])
    spans = [
        f"{low:,.0f}" if high - low <= 1 else f"{low:,.0f} to {high - 1:,.0f}"
        for low, high in zip(lows, highs, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=(lows + highs) / 2,
            y=counts,
            width=(highs - lows) * 0.94,
            customdata=spans,
            marker_color=PALETTE[0],
            hovertemplate=f"%{{customdata}} {unit}: %{{y:,}} documents<extra></extra>",
        )
    )
    theme.styled(figure, _sentence(lengths, unit), height=230, showlegend=False, bargap=0)
    figure.update_xaxes(title={"text": f"Length of a document ({unit})"}, type="log" if wide else "linear")
    figure.update_yaxes(title={"text": "Documents"})
    return figure


def _sentence(lengths: Sequence[int], unit: str) -> str:
    return (
        f"Lengths of {len(lengths):,} documents: from {min(lengths):,} to {max(lengths):,} {unit}, "
        f"half of them up to {np.median(lengths):,.0f}."
    )


def _edges(lengths: Sequence[int], wide: bool) -> list[float]:
    """Whole numbers that rise, the last above the longest document; linear bins are equally wide."""
    low, high = min(lengths), max(lengths) + 1
    if wide:
        edges = sorted({float(round(edge)) for edge in np.geomspace(max(1, low), high, BINS + 1)})
        return [float(low), *edges[1:]]
    step = -(-(high - low) // BINS)
    return [float(low + step * i) for i in range(-(-(high - low) // step) + 1)]
