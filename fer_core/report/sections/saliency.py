"""Part 4: saliency maps of one face per class, and attribution shares by region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError
from fer_core.explanation import METHODS, REGIONS, region_masks, shares, study_regions
from fer_core.explanation.photo import overlay
from fer_core.explanation.saliency import Saliency, explain_batch, make_saliency
from fer_core.formatting import percent
from fer_core.images import enlarge
from fer_core.report.data import ReportData
from fer_core.report.rendering import render
from fer_core.report.svg import share_chart

_STUDIED: Final = 1000  # maximum number of faces in the region study
_SIDE: Final = 144  # pixels per side of an overlay
_METHODS: Final = ("gradient", "gradcam")


def saliency(data: ReportData, step: Callable[[int, int], None], stop: Callable[[], bool]) -> str:
    """Render two saliency maps of one face per class, and region shares over many faces.

    Raises:
        FerError: weights or faces are missing, or the caller stopped it.
    """
    classifier, dataset = data.require_faces()
    name = data.headline
    places = data.positions(name) if name else None
    if name is None or places is None:
        raise FerError("The predictions belong to other faces than this data set, so no face can be shown.")
    rng = np.random.default_rng(0)
    studied = places if len(places) <= _STUDIED else np.sort(rng.choice(places, _STUDIED, replace=False))
    cases = _cases(data, name, places)
    study = study_regions(classifier, dataset, studied, "gradcam", on_progress=step, should_stop=stop)
    intervals = {region: study.ci95[region] for region in REGIONS}
    return render(
        "sections/saliency.html",
        cases=cases,
        study=study,
        chart=share_chart(study.mean, study.area, title="Share of the attribution by region"),
        rows=[
            [region, percent(study.mean[region]), f"{percent(low)}–{percent(high)}", percent(study.area[region])]
            for region, (low, high) in intervals.items()
        ],
    )


def _cases(data: ReportData, name: str, places: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return one face per class with its maps for the template."""
    classifier, dataset = data.require_faces()
    chosen = _examples(data, name, places)
    faces = dataset.images[[position for position, _ in chosen]]
    names = [data.predictions[name].classes[predicted] for _, predicted in chosen]
    targets = np.array([classifier.classes.position(name) for name in names], dtype=np.int64)
    maps = {method: explain_batch(classifier, faces, method, targets) for method in _METHODS}
    probabilities = classifier.probabilities(faces)
    cases = []
    for i, (position, _) in enumerate(chosen):
        label, predicted = dataset.label_name(position), names[i]
        found = {m: make_saliency(m, int(targets[i]), predicted, values[i]) for m, values in maps.items()}
        verdict = "correct" if label == predicted else f"misclassified, true label {label}"
        probability = percent(float(probabilities[i, targets[i]]), 0)
        cases.append(
            {
                "face": enlarge(faces[i], _SIDE),
                "label": label,
                "predicted": predicted,
                "maps": {METHODS[m].title: overlay(faces[i], map_, side=_SIDE) for m, map_ in found.items()},
                "caption": f"{predicted}, {probability} ({verdict}). Grad-CAM: {_regions(found['gradcam'])}.",
            }
        )
    return cases


def _regions(found: Saliency) -> str:
    """Format the region shares of a map, or return why it is empty."""
    part = shares(found.positive, region_masks())
    if part:
        return ", ".join(f"{region} {percent(share, 0)}" for region, share in part.items())
    return found.note or ""


def _examples(data: ReportData, name: str, places: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return position and prediction of one face per class: the most confident correct one, or the most confident one."""
    predictions = data.predictions[name]
    predicted, confidence = predictions.predicted, predictions.probabilities.max(axis=1)
    found = []
    for label in np.unique(predictions.labels):
        mine = np.flatnonzero(predictions.labels == label)
        right = mine[predicted[mine] == label]
        pool = right if len(right) else mine
        if len(pool):
            best = pool[int(confidence[pool].argmax())]
            found.append((int(places[best]), int(predicted[best])))
    return found
