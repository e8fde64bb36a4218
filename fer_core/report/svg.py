"""Static SVG charts of the lab report.

The pages draw the same charts with Plotly. A printed report cannot run scripts, and Plotly needs a browser to export a
static image, so this module draws the three charts itself with the same colors and dashes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from fer_core.charts import Curve, Quantity
from fer_core.charts.theme import ROLE_COLORS, ROLE_DASHES
from fer_core.formatting import percent, shortened

_DASHES: Final = {"solid": "", "dot": "2 4", "dash": "7 4"}
"""Dash patterns: Plotly name -> SVG stroke-dasharray."""

_MAX_WITH_NUMBERS: Final = 12
"""Maximum number of classes for a matrix with numbers in its cells."""
_MAX_NAME_LENGTH: Final = 16
"""Maximum number of characters of a class name on an axis."""

# colors of the page, as in templates/lab_report.css
_INK: Final = "#1d2333"
_SOFT: Final = "#5b6275"
_ACCENT: Final = "#4b4fb5"
_WRONG: Final = "#a61e4d"
_AREA: Final = "#b9bfcf"
_GRID: Final = "#e3e6ee"


def line_chart(lines: Sequence[Curve], quantity: Quantity, *, title: str) -> Markup:
    """Draw curves over epochs, starting at epoch 1, labeled at their ends."""
    accuracy = quantity == "accuracy"
    width, height, left, right, top, bottom = 460, 262, 46, 88, 10, 36
    values = [v for line in lines for v in line.values]
    epochs = max([2, *(len(line.values) for line in lines)])
    low, high = (0.0, 1.0) if not values else (min(0.0, *values) if not accuracy else min(values), max(values))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def x(epoch: float) -> float:
        return left + (epoch - 1) / (epochs - 1) * (width - left - right)

    def y(value: float) -> float:
        return height - bottom - (value - low) / (high - low or 1) * (height - top - bottom)

    parts = []
    for tick in ticks:
        name = percent(tick, 0) if accuracy else f"{tick:g}"
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="{_GRID}"/>')
        parts.append(_label(left - 6, y(tick) + 3.5, name, "end"))
    step = max(1, math.ceil(epochs / 8))
    parts += [_label(x(epoch), height - bottom + 16, str(epoch), "middle") for epoch in range(1, epochs + 1, step)]
    parts.append(_label((left + width - right) / 2, height - 4, "Epoch", "middle"))
    ends = _spread([(y(line.values[-1]), i) for i, line in enumerate(lines) if len(line.values)], 13)
    for i, line in enumerate(lines):
        if not len(line.values):
            continue
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in enumerate(line.values, start=1))
        color, dash = line.color or ROLE_COLORS[line.role], _DASHES[ROLE_DASHES[line.role]]
        parts.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}" points="{points}"/>'
        )
        parts.append(f'<circle r="2.6" fill="{color}" cx="{x(len(line.values)):.1f}" cy="{y(line.values[-1]):.1f}"/>')
        parts.append(_label(x(len(line.values)) + 7, ends[i] + 3.5, line.name, "start", color, 600))
    return _svg(width, height, title, parts)


def matrix_chart(counts: npt.NDArray[np.int64], names: Sequence[str], *, title: str) -> Markup:
    """Draw a confusion matrix (C, C), shaded by the share of each row, with counts.

    With more than twelve classes, the numbers appear only as tooltips.
    """
    n = len(names)
    written = n <= _MAX_WITH_NUMBERS
    cell, tall = (min(62, 560 // n), 38) if written else (max(10, 560 // n), max(10, 560 // n))
    shown = [shortened(name, _MAX_NAME_LENGTH) for name in names]
    side = 16 + 6.2 * max(map(len, shown), default=0)
    upright = cell < 7 * max(map(len, shown), default=0)  # not enough width for horizontal names
    left, top = max(86, side), 24 + side if upright else 40
    width, height = left + n * cell + 4, top + n * tall + 24
    parts = [_label(left + n * cell / 2, 12, "Predicted label", "middle", _SOFT)]
    for i, name in enumerate(names):
        x, y = left + (i + 0.5) * cell, top - 8
        parts.append(_upright_label(x + 4, y, shown[i]) if upright else _label(x, y, shown[i], "middle"))
        parts.append(_label(left - 8, top + (i + 0.5) * tall + 4, shown[i], "end"))
        total = int(counts[i].sum())
        for j, predicted in enumerate(names):
            share = counts[i, j] / total if total else 0.0
            shade = _mix(_ACCENT if i == j else _WRONG, float(share) ** 0.8)
            ink = "#ffffff" if share > 0.55 else _INK
            px, py = left + j * cell, top + i * tall
            numbers = (
                _label(px + cell / 2 - 1, py + tall / 2 - 1, percent(share, 0), "middle", ink, 600, 12.5)
                + _label(px + cell / 2 - 1, py + tall / 2 + 13, f"{int(counts[i, j]):,}", "middle", ink, 400, 9.5)
            )  # fmt: skip
            hint = f"<title>{escape(f'{name}, predicted as {predicted}: {int(counts[i, j]):,} ({percent(share, 0)})')}</title>"
            parts.append(
                f'<rect x="{px:g}" y="{py:g}" width="{cell - 2}" height="{tall - 2}" rx="3" fill="{shade}">{hint}</rect>'
                + (numbers if written else "")
            )
    parts.append(_label(8, height - 6, "Rows: true label. The shares of each row add up to 100%.", "start", _SOFT))
    return _svg(width, height, title, parts)


def share_chart(shares: Mapping[str, float], areas: Mapping[str, float], *, title: str) -> Markup:
    """Draw bars of each region's share of the attribution and of the area."""
    row, left, width = 34, 70, 460
    scale = (width - left - 60) / max([*shares.values(), *areas.values(), 0.01])
    parts = []
    for i, name in enumerate(shares):
        top = 8 + i * row
        parts.append(_label(left - 8, top + 15, name, "end"))
        parts.append(
            f'<rect x="{left}" y="{top}" width="{shares[name] * scale:.1f}" height="13" rx="2" fill="{_ACCENT}"/>'
        )
        parts.append(
            f'<rect x="{left}" y="{top + 15}" width="{areas[name] * scale:.1f}" height="7" rx="2" fill="{_AREA}"/>'
        )
        parts.append(_label(left + shares[name] * scale + 6, top + 11, percent(shares[name]), "start", weight=600))
    foot = 8 + len(shares) * row + 14
    parts.append(_label(left, foot, "Blue: share of the attribution. Gray: share of the area.", "start", _SOFT))
    return _svg(width, foot + 8, title, parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, Segoe UI, Roboto, Arial, Liberation Sans, sans-serif">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _label(x: float, y: float, words: str, anchor: str, color: str = _INK, weight: int = 400, size: float = 11) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="{size:g}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def _upright_label(x: float, y: float, words: str) -> str:
    """Return a label rotated to read upward."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{_INK}" font-size="11" transform="rotate(-90 {x:.1f} {y:.1f})">'
        f"{escape(words)}</text>"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return four to seven round tick values that span a range."""
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if span / (power * m) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _spread(places: list[tuple[float, int]], gap: float) -> dict[int, float]:
    """Return label heights, moved apart to avoid overlap."""
    result: dict[int, float] = {}
    last = -math.inf
    for height, index in sorted(places):
        last = max(height, last + gap)
        result[index] = last
    return result


def _mix(color: str, share: float) -> str:
    """Blend a color with white; ``share`` in 0…1 is the weight of the color."""
    rgb = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (v - 255) * min(1.0, share)):02x}" for v in rgb)
