"""The theme of all charts: colors, dashes, fills, legends and margins.

Figures set no background and no font, so that they fit a light page, a dark page and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from fer_core.formatting import shortened

Role = Literal["train", "valid", "honest"]

ACCENT: Final = "#6C72E8"
"""Main color. Like the next two, it differs from all class colors and is legible on white and near-black."""
HIGHLIGHT: Final = "#D6336C"
"""Second color, for highlights."""
MUTED: Final = "#8C93A8"
"""Color of baselines, chance and legend samples."""

ROLE_COLORS: Final[dict[Role, str]] = {"train": MUTED, "valid": ACCENT, "honest": HIGHLIGHT}
ROLE_DASHES: Final[dict[Role, str]] = {"train": "dot", "valid": "solid", "honest": "dash"}
RUN_COLORS: Final[tuple[str, ...]] = (ACCENT, HIGHLIGHT, "#2B9C93", "#B7791F", "#8F5FBF", "#64748B")
"""Colors of overlaid runs, repeated as needed."""

_MANY: Final = 16
"""Maximum number of classes with large axis labels."""

SEQUENTIAL: Final[dict[bool, list[list[Any]]]] = {
    False: [[0.0, "#F4F5F9"], [0.5, "#A3A8EF"], [1.0, "#3F43A8"]],
    True: [[0.0, "#1C212D"], [0.5, "#3B3F95"], [1.0, "#6C72E8"]],
}
"""Sequential color scale for a light (False) and a dark page (True)."""
DIVERGING: Final[dict[bool, list[list[Any]]]] = {
    False: [[0.0, "#B7791F"], [0.5, "#F4F5F9"], [1.0, "#3F43A8"]],
    True: [[0.0, "#96651A"], [0.5, "#1C212D"], [1.0, "#6C72E8"]],
}
"""Diverging color scale for a light (False) and a dark page (True)."""

_TICK_ANGLES: Final = [0, -45, -90]
"""Angles of names on an axis; positive angles would overflow a narrow page."""
_LONGEST_TICK: Final = 14
"""Maximum characters of a name on an axis; the hover has the full name."""
_ENTITIES: Final = str.maketrans({c: f"&#{ord(c)};" for c in "&<>$%{}"})


def escaped(text: str) -> str:
    """Escape text for Plotly: pseudo-HTML, TeX and ``%{…}`` in hover texts."""
    return text.translate(_ENTITIES)


def tick_names(names: Sequence[str]) -> list[str]:
    """Return names as unique, shortened, escaped categories of an axis."""
    ticks: list[str] = []
    for number, name in enumerate(names, start=1):
        tick = shortened(name, _LONGEST_TICK)
        if tick in ticks:
            tick = f"{shortened(name, _LONGEST_TICK - 4)} ({number})"
        ticks.append(tick)
    return [escaped(tick) for tick in ticks]


def class_axis(names: Sequence[str], *, top_down: bool = False, **more: object) -> dict[str, object]:
    """Return a category axis of classes in order; Plotly drops names that do not fit.

    Args:
        names: of the classes; :func:`tick_names` gives the categories.
        top_down: the first class stands on top; for a vertical axis.
        more: other attributes of the axis.
    """
    span = [-0.5, len(names) - 0.5]
    return {
        "type": "category",  # a class called 2020 is neither a number nor a date
        "categoryorder": "array",
        "categoryarray": tick_names(names),
        "range": span[::-1] if top_down else span,
        "tickfont": {"size": 12 if len(names) <= _MANY else 10},
        "autotickangles": _TICK_ANGLES,
        "showgrid": False,
        "zeroline": False,
        **more,
    }


def name_margin(names: Sequence[str]) -> int:
    """Pixels that the names of classes take beside a chart or, turned, beneath it."""
    longest = max(len(shortened(name, _LONGEST_TICK)) for name in names)
    return round(30 + (6.6 if len(names) <= _MANY else 5.6) * max(longest, 6))


def legend_above(y: float = 1.02, **more: object) -> dict[str, object]:
    """A legend in one row above the plot."""
    return {"orientation": "h", "x": 0, "y": y, "xanchor": "left", "yanchor": "bottom", **more}


def margins(left: int, top: int, right: int, bottom: int) -> dict[str, int]:
    """Pixels around the plot."""
    return {"l": left, "r": right, "t": top, "b": bottom}


def bar_fill(color: str, pattern: str, opacity: float) -> dict[str, object]:
    """Fill of a bar whose series can be told apart without color too; ``pattern`` as Plotly names it, "" for none."""
    fill: dict[str, object] = {"opacity": opacity, "color": color}
    if pattern:
        shape = {"shape": pattern, "size": 6, "solidity": 0.25}
        fill["pattern"] = {**shape, "fillmode": "overlay", "fgcolor": "#FFFFFF"}
    return fill
