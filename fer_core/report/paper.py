"""The lab report's page: type, tables, pictures and charts as one HTML file that loads nothing and prints well.

Charts are drawn here as plain SVG: a curve or a matrix needs a few lines, and a page without scripts can be handed in.
Every text that comes from outside passes through :func:`text`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from fer_core.images import png

_STYLE = """
:root { color-scheme: light; --ink: #1d2333; --soft: #5b6275; --line: #d5d9e3; --tint: #f4f5f9; --accent: #4b4fb5;
  --warn: #a61e4d; --warn-tint: #fff0f3; --good: #1b7f5c; }
* { box-sizing: border-box; }
html { background: #e9ebf1; }
body { margin: 2rem auto; max-width: 52rem; padding: 3.2rem 3.6rem; background: #fff; color: var(--ink);
  font: 11.5pt/1.55 Georgia, "Times New Roman", "Liberation Serif", serif; overflow-wrap: break-word; }
h1, h2, h3, th, .kicker, .figures, figcaption, .soft, .box h3, nav, table, .tag {
  font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .7rem; padding-top: .9rem; border-top: 2px solid var(--ink); }
h2 span { color: var(--accent); margin-right: .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
p { margin: .55rem 0; }
.kicker { color: var(--accent); font-weight: 600; font-size: .85rem; letter-spacing: .06em; text-transform: uppercase; }
.soft, figcaption { color: var(--soft); font-size: .86rem; line-height: 1.45; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem 1.6rem; margin: 1.4rem 0; padding: 1rem 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.figures b { display: block; font-size: 1.35rem; line-height: 1.3; }
.figures span { color: var(--soft); font-size: .82rem; }
.figures .warn b { color: var(--warn); text-decoration: line-through; text-decoration-thickness: 1px; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0 1.1rem; font-size: .82rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; border-bottom: 1.5px solid var(--ink); padding: .3rem .7rem .3rem 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: .26rem .7rem .26rem 0; vertical-align: top; }
td.n, th.n { text-align: right; } td:last-child, th:last-child { padding-right: 0; }
table.layers { font-size: .68rem; } table.layers td { white-space: nowrap; padding: .17rem .5rem .17rem 0; }
table.keys td:first-child { color: var(--soft); width: 34%; }
figure { margin: 1rem 0; } figure img, figure svg { display: block; max-width: 100%; height: auto; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.4rem; }
.pair > * { min-width: 0; } .pair figure { margin: .4rem 0; } .pair svg { max-width: 100%; height: auto; }
.box { border: 1px solid var(--line); border-left: 4px solid var(--accent); background: var(--tint); padding: .7rem 1.1rem;
  margin: 1.1rem 0; } .box.warn { border-left-color: var(--warn); background: var(--warn-tint); }
.box h3 { margin: .1rem 0 .3rem; } .box ul { margin: .3rem 0; padding-left: 1.1rem; } .box li { margin: .25rem 0; }
.missing { color: var(--soft); font-style: italic; }
pre { font: .76rem/1.5 ui-monospace, "Cascadia Mono", Consolas, "Liberation Mono", monospace; background: var(--tint);
  padding: .7rem .9rem; margin: .7rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.log { columns: 2; column-gap: 1.4rem; column-rule: 1px solid var(--line); font-size: .6rem; }
.notes { white-space: pre-wrap; }
.faces { display: grid; grid-template-columns: repeat(2, 1fr); gap: 1rem 1.6rem; margin: 1rem 0; }
.case { display: grid; grid-template-columns: repeat(3, 1fr); gap: 3px; margin: 0; } .case img { width: 100%; }
.case figcaption { grid-column: 1 / -1; margin-top: .2rem; }
.filters { display: grid; grid-template-columns: repeat(2, 1fr); gap: .9rem 1.6rem; margin: 1rem 0; }
.filter { display: flex; gap: .6rem; margin: 0; align-items: flex-start; } .filter > img { width: 44%; flex: none; }
.nine { display: grid; grid-template-columns: repeat(3, 1fr); gap: 2px; flex: 1; } .nine img { width: 100%; }
.nine figcaption { grid-column: 1 / -1; }
.tag { font-size: .72rem; font-weight: 600; white-space: nowrap; } .tag.right { color: var(--good); } .tag.wrong { color: var(--warn); }
math { font-size: .98rem; } td math { margin: .15rem 0; } .big { text-align: center; margin: .9rem 0; }
.big math { font-size: 1.25rem; }
footer { margin-top: 1.2rem; border-top: 1px solid var(--line); padding-top: .6rem; }
@media (max-width: 46rem) { body { padding: 1.4rem 1.1rem; margin: 0; } .pair, .faces, .filters { grid-template-columns: 1fr; }
  .wide { overflow-x: auto; } pre.log { columns: 1; } }
@page { size: A4; margin: 17mm 16mm 18mm; @bottom-right { content: counter(page) " / " counter(pages);
  font: 8pt system-ui, sans-serif; color: #5b6275; } }
@media print {
  html { background: none; } body { margin: 0; padding: 0; max-width: none; font-size: 10pt; }
  h2, h3 { break-after: avoid; } figure, tr, .box li, table.keys, .case, .filter, .figures, .keep { break-inside: avoid; }
  thead { display: table-header-group; } p { orphans: 3; widows: 3; } figure img.sheet { max-height: 225mm; width: auto; }
  pre.log { break-inside: avoid; }
}
"""


def page(title: str, body: str) -> str:
    """A whole document. Its policy forbids loading anything, so that it is the same wherever it is opened."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def text(value: object) -> str:
    """Foreign text, so that nothing in it is taken for HTML."""
    return escape(str(value))


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of foreign or own words."""
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    kind: str = "",
    raw: bool = False,
) -> str:
    """A table whose head is repeated on each printed page and whose rows are never cut.

    Args:
        head: names of the columns; none for a table of keys and values.
        rows: the cells.
        numbers: columns that are aligned to the right.
        kind: CSS class.
        raw: the cells are HTML already.
    """

    def cell(tag: str, column: int, value: str) -> str:
        return f"<{tag}{' class=n' if column in numbers else ''}>{value}</{tag}>"

    top = "".join(cell("th", i, text(name)) for i, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell("td", i, value if raw else text(value)) for i, value in enumerate(row)) + "</tr>"
        for row in rows
    )
    header = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f'<div class="wide"><table class="{kind}">{header}<tbody>{body}</tbody></table></div>'


def picture(pixels: npt.NDArray[np.uint8], alt: str, kind: str = "", width: int | None = None) -> str:
    """Grey or RGB pixels as an inline image."""
    data = base64.b64encode(png(pixels)).decode()
    size = f' width="{width}"' if width else ""
    return f'<img class="{kind}" alt="{text(alt)}"{size} src="data:image/png;base64,{data}">'


def figure(content: str, caption: str) -> str:
    """A picture or chart with its caption."""
    return f"<figure>{content}<figcaption>{text(caption)}</figcaption></figure>"


def box(title: str, sentences: Sequence[str], *, warn: bool = False) -> str:
    """A framed list of sentences."""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return f'<div class="box{" warn" if warn else ""}"><h3>{text(title)}</h3><ul>{items}</ul></div>'


# ------------------------------------------------------------------------------------------------ charts


@dataclass(frozen=True)
class Line:
    """One curve of a chart: its name, colour, dash (SVG) and one value for each epoch, from epoch 1."""

    name: str
    colour: str
    dash: str
    values: Sequence[float]


def line_chart(lines: Sequence[Line], *, title: str, percent: bool) -> str:
    """Curves over epochs as SVG: names at their ends, round numbers on the axis."""
    width, height, left, right, top, bottom = 460, 262, 46, 88, 10, 36
    values = [v for line in lines for v in line.values]
    epochs = max([2, *(len(line.values) for line in lines)])
    low, high = (0.0, 1.0) if not values else (min(0.0, *values) if not percent else min(values), max(values))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def x(epoch: float) -> float:
        return left + (epoch - 1) / (epochs - 1) * (width - left - right)

    def y(value: float) -> float:
        return height - bottom - (value - low) / (high - low or 1) * (height - top - bottom)

    parts = []
    for tick in ticks:
        name = f"{100 * tick:.0f} %" if percent else f"{tick:g}"
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e3e6ee"/>')
        parts.append(_label(left - 6, y(tick) + 3.5, name, "end"))
    step = max(1, math.ceil(epochs / 8))
    parts += [_label(x(epoch), height - bottom + 16, str(epoch), "middle") for epoch in range(1, epochs + 1, step)]
    parts.append(_label((left + width - right) / 2, height - 4, "Epoch", "middle"))
    ends = _apart([(y(line.values[-1]), i) for i, line in enumerate(lines) if len(line.values)], 13)
    for i, line in enumerate(lines):
        if not len(line.values):
            continue
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in enumerate(line.values, start=1))
        parts.append(
            f'<polyline fill="none" stroke="{line.colour}" stroke-width="2" stroke-dasharray="{line.dash}" points="{points}"/>'
        )
        parts.append(
            f'<circle r="2.6" fill="{line.colour}" cx="{x(len(line.values)):.1f}" cy="{y(line.values[-1]):.1f}"/>'
        )
        parts.append(_label(x(len(line.values)) + 7, ends[i] + 3.5, line.name, "start", line.colour, 600))
    return _svg(width, height, title, parts)


def matrix_chart(counts: npt.NDArray[np.int64], names: Sequence[str], *, title: str) -> str:
    """A confusion matrix (C, C) as SVG: each row's shares as shades, with the counts beneath."""
    cell, tall, left, top = 62, 38, 86, 40
    n = len(names)
    width, height = left + n * cell + 4, top + n * tall + 24
    parts = [_label(left + n * cell / 2, 12, "answered", "middle", "#5b6275")]
    for i, name in enumerate(names):
        parts.append(_label(left + (i + 0.5) * cell, top - 8, name, "middle"))
        parts.append(_label(left - 8, top + (i + 0.5) * tall + 4, name, "end"))
        total = int(counts[i].sum())
        for j in range(n):
            share = counts[i, j] / total if total else 0.0
            shade = _mix("#4b4fb5" if i == j else "#a61e4d", float(share) ** 0.8)
            ink = "#ffffff" if share > 0.55 else "#1d2333"
            px, py = left + j * cell, top + i * tall
            parts.append(
                f'<rect x="{px}" y="{py}" width="{cell - 2}" height="{tall - 2}" rx="3" fill="{shade}"/>'
                + _label(px + cell / 2 - 1, py + tall / 2 - 1, f"{100 * share:.0f} %", "middle", ink, 600, 12.5)
                + _label(px + cell / 2 - 1, py + tall / 2 + 13, f"{int(counts[i, j]):,}", "middle", ink, 400, 9.5)
            )
    parts.append(_label(8, height - 6, "Rows: label. Each row's shares add up to 100 %.", "start", "#5b6275"))
    return _svg(width, height, title, parts)


def share_chart(shares: Mapping[str, float], areas: Mapping[str, float], *, title: str) -> str:
    """Shares of the attribution in each region beside the share of the area, as bars in SVG."""
    row, left, width = 34, 70, 460
    scale = (width - left - 60) / max([*shares.values(), *areas.values(), 0.01])
    parts = []
    for i, name in enumerate(shares):
        top = 8 + i * row
        parts.append(_label(left - 8, top + 15, name, "end"))
        parts.append(
            f'<rect x="{left}" y="{top}" width="{shares[name] * scale:.1f}" height="13" rx="2" fill="#4b4fb5"/>'
        )
        parts.append(
            f'<rect x="{left}" y="{top + 15}" width="{areas[name] * scale:.1f}" height="7" rx="2" fill="#b9bfcf"/>'
        )
        parts.append(
            _label(left + shares[name] * scale + 6, top + 11, f"{100 * shares[name]:.1f} %", "start", weight=600)
        )
    foot = 8 + len(shares) * row + 14
    parts.append(_label(left, foot, "Blue: share of the attribution. Grey: share of the area.", "start", "#5b6275"))
    return _svg(width, foot + 8, title, parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{text(title)}" font-family="system-ui, Segoe UI, Roboto, Arial, Liberation Sans, sans-serif">'
        f"<title>{text(title)}</title>{''.join(parts)}</svg>"
    )


def _label(
    x: float, y: float, words: str, anchor: str, colour: str = "#1d2333", weight: int = 400, size: float = 11
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size:g}" '
        f'font-weight="{weight}">{text(words)}</text>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers that span a range."""
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if span / (power * m) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _apart(places: list[tuple[float, int]], gap: float) -> dict[int, float]:
    """Heights of labels moved apart where they would lie over each other."""
    result: dict[int, float] = {}
    last = -math.inf
    for height, index in sorted(places):
        last = max(height, last + gap)
        result[index] = last
    return result


def _mix(colour: str, share: float) -> str:
    """A colour laid on white with this strength, 0…1."""
    rgb = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (v - 255) * min(1.0, share)):02x}" for v in rgb)
