"""Panels of tracked faces: a bar per class and a timeline, drawn in a few milliseconds.

A plotly chart that updates twice a second beside a video takes the processor from the video. This component draws the
same with plain elements and one small canvas a face.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.formatting import percent
from fer_core.live import LiveFace
from fer_core.live.session import HISTORY_SECONDS
from pages.ui.components.files import component

MOST_FACES: Final = 4
"""Number of panels; the video annotates all faces."""
_POINTS: Final = 80  # per line
_MOST_BARS: Final = 8  # per face; with more classes, the most probable of the last seconds

_HTML = '<div class="fer-faces"></div>'

History = dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "face_bars", _HTML)


def face_bars(classes: ClassList, faces: tuple[LiveFace, ...], history: History) -> int | None:
    """Draw the first faces with their current and recent probabilities.

    Returns the number of a face once if its button was pressed, else None.

    Args:
        classes: classes of the model.
        faces: faces of the newest frame.
        history: number -> (seconds before now, negative (n,); probabilities (n, C)).
    """
    data = faces_data(classes, faces, history)
    wanted = _component()(key="fer_face_bars", data=data, on_sent_change=lambda: None).sent
    return None if wanted is None else int(wanted)


def faces_data(classes: ClassList, faces: tuple[LiveFace, ...], history: History) -> dict[str, Any]:
    """Return the data of the component: whole percentages, and lines with few points."""
    shown = []
    for face in faces[:MOST_FACES]:
        times, probabilities = history.get(face.number, (np.zeros(0), np.zeros((0, len(classes)), np.float32)))
        picked = np.unique(np.linspace(0, max(0, len(times) - 1), min(_POINTS, len(times))).round().astype(int))
        answer = "not sure" if face.abstained else face.label
        chosen = _most_probable(np.vstack([probabilities[picked], face.probabilities]))
        shown.append(
            {
                "number": face.number,
                "title": f"Face {face.number}: {answer}, {percent(face.probability, 0)}",
                "labels": [classes[i] for i in chosen],
                "colors": [classes.colors[i] for i in chosen],
                "bars": [round(100 * float(p)) for p in face.probabilities[chosen]],
                "times": [round(float(t), 2) for t in times[picked]],
                "lines": (100 * probabilities[picked][:, chosen]).round().astype(int).tolist(),
            }
        )
    return {"span": round(HISTORY_SECONDS), "faces": shown}


def _most_probable(probabilities: npt.NDArray[np.floating]) -> list[int]:
    """Return the classes to draw, in order, from probabilities (n, C): all, or those with the highest peaks."""
    peaks = probabilities.max(axis=0)
    return sorted(int(i) for i in np.argsort(-peaks, kind="stable")[:_MOST_BARS])
