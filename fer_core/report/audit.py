"""Audit report of a data set: one self-contained HTML page with images."""

from __future__ import annotations

from typing import Any, Final

from fer_core.data import FaceDataset
from fer_core.evaluation.audit import ExactAudit, NearDuplicates, SuspectLabels
from fer_core.report.rendering import render

_MAX_SHOWN: Final = 60  # maximum number of images or pairs per finding


def audit_html(dataset: FaceDataset, exact: ExactAudit, near: NearDuplicates, suspects: SuspectLabels | None) -> str:
    """Return the HTML page."""
    conflicting = [int(i) for group in exact.conflict_groups[: _MAX_SHOWN // 4] for i in group]
    page = render(
        "audit.html",
        dataset=dataset,
        labels=dataset.classes,
        exact=exact,
        conflicts=[_face(dataset, i) for i in conflicting],
        blanks=[_face(dataset, int(i)) for i in exact.blank[:_MAX_SHOWN]],
        near=near,
        pairs=_pairs(dataset, near),
        suspects=suspects,
        suspect_faces=_suspects(dataset, suspects) if suspects is not None else [],
    )
    return str(page)


def _face(dataset: FaceDataset, index: int, more: str = "") -> dict[str, Any]:
    """Return a face with its caption for the template."""
    caption = f"{dataset.ids[index]}: {dataset.label_name(index)}{more}"
    return {"pixels": dataset.images[index], "caption": caption}


def _pairs(dataset: FaceDataset, near: NearDuplicates) -> list[dict[str, Any]]:
    found = zip(near.first[:_MAX_SHOWN], near.second[:_MAX_SHOWN], near.distance[:_MAX_SHOWN], strict=True)
    return [
        {
            "first": dataset.images[a],
            "second": dataset.images[b],
            "caption": f"{bits} bits · {dataset.ids[a]} · {dataset.ids[b]}",
        }
        for a, b, bits in found
    ]


def _suspects(dataset: FaceDataset, suspects: SuspectLabels) -> list[dict[str, Any]]:
    found = zip(
        suspects.positions[:_MAX_SHOWN], suspects.suggested[:_MAX_SHOWN], suspects.quality[:_MAX_SHOWN], strict=True
    )
    return [
        _face(dataset, int(i), f" → {dataset.classes[int(suggested)]}? (given label: {quality:.0%})")
        for i, suggested, quality in found
    ]
