"""The look that all charts share: colors, dashes, fills, legends and margins.

Figures set no background and no font, so that they fit a light page, a dark page and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from fer_core.formatting import shortened

Role = Literal["train", "valid", "honest"]

ACCENT: Final = "#6C72E8"
"""The main color. Like the next two it differs from every emotion's, and reads on white and on near-black."""
HIGHLIGHT: Final = "#D6336C"
"""A second color, for what stands out from the first."""
MUTED: Final = "#8C93A8"
"""Baselines, chance, and samples in a legend."""

ROLE_COLORS: Final[dict[Role, str]] = {"train": MUTED, "valid": ACCENT, "honest": HIGHLIGHT}
ROLE_DASHES: Final[dict[Role, str]] = {"train": "dot", "valid": "solid", "honest": "dash"}
RUN_COLORS: Final[tuple[str, ...]] = (ACCENT, HIGHLIGHT, "#2B9C93", "#B7791F", "#8F5FBF", "#64748B")
"""For overlays of several runs, in this order, then again from the first."""

_MANY: Final = 16
"""With more classes than this the letters on an axis are smaller."""

SEQUENTIAL: Final[dict[bool, list[list[Any]]]] = {
    False: [[0.0, "#F4F5F9"], [0.5, "#A3A8EF"], [1.0, "#3F43A8"]],
    True: [[0.0, "#1C212D"], [0.5, "#3B3F95"], [1.0, "#6C72E8"]],
}
"""Color scale from nothing to most, on a light page (False) and on a dark one (True)."""
DIVERGING: Final[dict[bool, list[list[Any]]]] = {
    False: [[0.0, "#B7791F"], [0.5, "#F4F5F9"], [1.0, "#3F43A8"]],
    True: [[0.0, "#96651A"], [0.5, "#1C212D"], [1.0, "#6C72E8"]],
}
"""Color scale from less to more, on a light page (False) and on a dark one (True)."""

_TICK_ANGLES: Final = [0, -45, -90]
"""Of names under an axis: turned the other way, the last one would leave a narrow page."""
_LONGEST_TICK: Final = 14
"""Characters of a name on an axis; the whole name stands in the hover."""
_ENTITIES: Final = str.maketrans({c: f"&#{ord(c)};" for c in "&<>$%{}"})


def escaped(text: str) -> str:
    """``text`` as Plotly writes it: neither its pseudo-HTML, nor TeX, nor ``%{…}`` of a hover text is interpreted."""
    return text.translate(_ENTITIES)


def tick_names(names: Sequence[str]) -> list[str]:
    """Names as the categories of an axis, escaped: a long one shortened, no two the same."""
    ticks: list[str] = []
    for number, name in enumerate(names, start=1):
        tick = shortened(name, _LONGEST_TICK)
        if tick in ticks:
            tick = f"{shortened(name, _LONGEST_TICK - 4)} ({number})"
        ticks.append(tick)
    return [escaped(tick) for tick in ticks]


def class_axis(names: Sequence[str], *, top_down: bool = False, **more: object) -> dict[str, object]:
    """An axis whose categories are classes, in their order; where there is no room for all names, some are left out.

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
