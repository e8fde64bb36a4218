"""The findings of an audit as one self-contained HTML page with pictures; no network is needed to read it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

import numpy as np
import numpy.typing as npt

from fer_core.classes import LABELS
from fer_core.data import FaceDataset
from fer_core.evaluation.audit import ExactAudit, NearPairs, SuspectLabels

_MOST = 60  # pictures or pairs shown for each finding

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
.wall { display: flex; flex-wrap: wrap; gap: .75rem; }
figure { margin: 0; width: 8.5rem; font-size: .75rem; overflow-wrap: anywhere; }
figure.pair { width: 13rem; }
img { width: 96px; height: 96px; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: right; } th:first-child { text-align: left; }
"""


def audit_html(dataset: FaceDataset, exact: ExactAudit, near: NearPairs, suspects: SuspectLabels | None) -> str:
    """The page as text."""
    rows = "".join(
        f"<tr><th>{escape(split)}</th>" + "".join(f"<td>{n:,}</td>" for n in table.values()) + "</tr>"
        for split, table in exact.counts.items()
    )
    crossings = "".join(
        f"<li>{len(found):,} faces of {pair.split('/')[1]} also stand in {pair.split('/')[0]}</li>"
        for pair, found in exact.cross_split.items()
    )
    parts = [
        f"<h1>Audit of {escape(dataset.name)}</h1><p>Content {escape(dataset.fingerprint[:16])}…, {len(dataset):,} faces.</p>",
        f"<table><tr><th>split</th>{''.join(f'<th>{name}</th>' for name in LABELS)}</tr>{rows}</table>",
        f"<h2>Exact copies</h2><p>{exact.redundant:,} redundant images in {exact.duplicate_groups:,} groups.</p><ul>{crossings}</ul>",
        f"<h2>Conflicting labels</h2><p>{len(exact.conflict_groups):,} groups of copies carry different labels.</p>",
        _wall(_face(dataset, int(i)) for group in exact.conflict_groups[: _MOST // 4] for i in group),
        f"<h2>Blank images</h2><p>{len(exact.blank):,} images hold one single grey value.</p>",
        _wall(_face(dataset, int(i)) for i in exact.blank[:_MOST]),
        f"<h2>Near duplicates</h2><p>{len(near.first):,} pairs of different pictures with nearly the same perceptual hash.</p>",
        _wall(
            f'<figure class="pair">{_image(dataset.images[a])} {_image(dataset.images[b])}'
            f"<figcaption>{bits} bits · {escape(str(dataset.ids[a]))} · {escape(str(dataset.ids[b]))}</figcaption></figure>"
            for a, b, bits in zip(near.first[:_MOST], near.second[:_MOST], near.distance[:_MOST], strict=True)
        ),
    ]
    if suspects is not None:
        parts += [
            f"<h2>Suspect labels</h2><p>{len(suspects.positions):,} labels that networks which never saw the face doubt. "
            f"{suspects.caution}</p>",
            _wall(
                _face(dataset, int(i), f" → {LABELS[s]}? (label given {q:.0%})")
                for i, s, q in zip(
                    suspects.positions[:_MOST], suspects.suggested[:_MOST], suspects.quality[:_MOST], strict=True
                )
            ),
        ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Audit of {escape(dataset.name)}</title><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _wall(figures: Iterable[str]) -> str:
    return f'<div class="wall">{"".join(figures)}</div>'


def _face(dataset: FaceDataset, index: int, more: str = "") -> str:
    caption = f"{escape(str(dataset.ids[index]))}: {LABELS[dataset.labels[index]]}{escape(more)}"
    return f"<figure>{_image(dataset.images[index])}<figcaption>{caption}</figcaption></figure>"


def _image(face: npt.NDArray[np.uint8]) -> str:
    import cv2

    data = base64.b64encode(cv2.imencode(".png", face)[1].tobytes()).decode()
    return f'<img alt="face" src="data:image/png;base64,{data}">'
