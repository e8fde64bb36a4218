"""Agreement of a model with people, compared with another person, the label and the best possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fer_core.charts.theme import ACCENT, HIGHLIGHT, MUTED, margins, name_margin
from fer_core.evaluation.agreement import RaterAgreement
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ROWS: Final = {
    "model": "the model", "human": "another person", "label": "the label", "ceiling": "best possible",
}  # fmt: skip


def agreement_bars(agreement: RaterAgreement, title: str) -> go.Figure:
    """Plot the agreement with a random rater: four bars with 95% intervals, the model on top."""
    import plotly.graph_objects as go

    names = list(_ROWS.values())
    shares = [getattr(agreement, name) for name in _ROWS]
    lows, highs = zip(*(agreement.ci95[name] for name in _ROWS), strict=True)
    figure = go.Figure()
    figure.add_bar(
        x=shares,
        y=names,
        orientation="h",
        showlegend=False,
        marker={"color": [ACCENT, MUTED, MUTED, MUTED]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - share for share, high in zip(shares, highs, strict=True)],
            "arrayminus": [share - low for share, low in zip(shares, lows, strict=True)],
            "color": HIGHLIGHT,
            "thickness": 2,
        },
        text=[percent(share, 0) for share in shares],
        textposition="inside",
        insidetextanchor="start",
        textfont={"color": "#FFFFFF"},
        customdata=[[percent(low), percent(high)] for low, high in zip(lows, highs, strict=True)],
        hovertemplate="%{y}: %{x:.1%} (95% interval %{customdata[0]} to %{customdata[1]})<extra></extra>",
    )
    figure.update_layout(
        title={"text": title},
        margin=margins(name_margin(names), 8, 16, 44),
        xaxis={"title": {"text": "Agreement with a random rater"}, "tickformat": ".0%", "range": [0, 1]},
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": names, "autorange": "reversed"},
    )
    return figure
