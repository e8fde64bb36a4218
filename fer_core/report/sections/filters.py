"""Part 5: kernels of the first convolution, activation maximization of the last one, and top faces of some filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fer_core.data import FaceDataset
from fer_core.explanation.contact_sheet import contact_sheet, to_gray
from fer_core.explanation.filter_cache import cached_patterns, cached_top_faces
from fer_core.explanation.filters import Patterns, TopFaces
from fer_core.explanation.layers import convolutions, weights
from fer_core.formatting import SPLIT_NAMES
from fer_core.images import enlarge
from fer_core.report.data import ReportData
from fer_core.report.rendering import render

_SHOWN: Final = 6  # number of filters with their top faces
_SIDE: Final = 144  # pixels per side of a pattern


def filters(data: ReportData, step: Callable[[int, int], None], stop: Callable[[], bool]) -> str:
    """Render kernels, patterns and top faces.

    Raises:
        FerError: there are no weights, the network has no convolution, or the caller stopped it.
    """
    classifier = data.require_weights()
    first = convolutions(classifier.model)[0]
    kernels = weights(classifier.model, first)
    patterns = cached_patterns(classifier, workspace=data.workspace, on_progress=step, should_stop=stop)
    beside_faces: dict[str, Any] = {"no_faces": data.gaps.get("data")}
    if data.dataset is not None:
        split = next(s for s in ("valid", "test", "train") if data.dataset.counts()[s])
        tops = cached_top_faces(classifier, data.dataset, split, workspace=data.workspace, should_stop=stop)
        chosen = [_beside_faces(patterns, tops, data.dataset, number) for number in _strongest(patterns, tops)]
        beside_faces |= {"chosen": chosen, "n_faces": tops.n, "split": SPLIT_NAMES[split]}
    return render(
        "sections/filters.html",
        kernels=kernels,
        first=first.label,
        kernel_sheet=contact_sheet(
            to_gray(kernels[:, 0]), [str(i) for i in range(len(kernels))], side=64, smooth=False
        ),
        patterns=patterns,
        median_first=float(np.median(patterns.curves[:, 0])),
        median_last=float(np.median(patterns.responses)),
        dead=[str(patterns.note(int(place))) for place in np.flatnonzero(patterns.dead)],
        **beside_faces,
    )


def _strongest(patterns: Patterns, tops: TopFaces) -> list[int]:
    """Return the numbers of the filters with the largest responses, without dead ones."""
    order = np.argsort(-tops.responses[:, 0], kind="stable")
    return sorted(int(number) for number in order[~patterns.dead[order]][:_SHOWN])


def _beside_faces(patterns: Patterns, tops: TopFaces, dataset: FaceDataset, number: int) -> dict[str, Any]:
    """Return a filter's pattern and top faces for the template."""
    positions = tops.positions[number]
    labels = [dataset.label_name(int(position)) for position in positions]
    most = max(set(labels), key=labels.count)
    return {
        "number": number,
        "pattern": enlarge(patterns.only(number).cropped()[0], _SIDE),
        "faces": list(zip(labels, dataset.images[positions], strict=True)),
        "caption": f"Filter {number}; {labels.count(most)} of {len(labels)} faces labeled {most}.",
    }
