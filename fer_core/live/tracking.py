"""Face tracking: boxes of consecutive frames are matched by overlap, so that a face keeps its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fer_core.faces import Face
from fer_core.faces.boxes import intersection_over_union

MIN_OVERLAP = 0.2
"""Smallest intersection over union of a match; below it, the distance of the centers decides."""
MAX_DISTANCE = 0.6
"""Largest distance of the centers, in units of the face size, of a match without enough overlap."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person's face over time.

    Attributes:
        number: 1, 2, 3, … in the order of appearance; never reused.
        face: the last detection.
        seen: time of the last detection in seconds.
        since: time of the first detection in seconds.
    """

    number: int
    face: Face
    seen: float
    since: float


class Tracker:
    """Assigns track numbers to faces. Not thread-safe."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._next = 1

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks, including lost ones that may still reappear."""
        return tuple(self._tracks)

    def update(self, faces: Sequence[Face], time: float, gap: float) -> list[Track]:
        """Match the faces detected at ``time`` (seconds) to known tracks; returns their tracks in the order of the faces.

        A track ends after ``gap`` seconds without a detection. The match is the assignment of least total cost
        (Hungarian algorithm), so two people who come close do not swap numbers for the sake of one good pair.
        """
        self._tracks = [t for t in self._tracks if time - t.seen <= gap and time >= t.seen]
        matched: dict[int, Track] = {}
        if self._tracks and faces:
            from scipy.optimize import linear_sum_assignment

            cost = np.array([[_cost(track.face, face) for face in faces] for track in self._tracks])
            for row, column in zip(*linear_sum_assignment(np.minimum(cost, 10.0)), strict=True):
                if cost[row, column] < np.inf:
                    matched[int(column)] = self._tracks[row]
        current = []
        for index, face in enumerate(faces):
            old = matched.get(index)
            if old is None:
                track = Track(self._next, face, time, time)
                self._next += 1
                self._tracks.append(track)
            else:
                track = replace(old, face=face, seen=time)
                self._tracks[self._tracks.index(old)] = track
            current.append(track)
        return current

    def reset(self) -> None:
        """End all tracks; numbering continues."""
        self._tracks.clear()


def _cost(track: Face, face: Face) -> float:
    """Cost of a match: 0 for the same position, up to 2 for the farthest match allowed, infinite if there is no match."""
    shared = intersection_over_union(track.box, face.box)
    if shared >= MIN_OVERLAP:
        return 1 - shared
    sizes: npt.NDArray[np.float64] = np.sqrt([track.box[2] * track.box[3], face.box[2] * face.box[3]])
    if sizes.min() < 0.5 * sizes.max():
        return float("inf")
    distance = float(np.hypot(track.centre[0] - face.centre[0], track.centre[1] - face.centre[1]) / sizes.mean())
    return 1 + distance / MAX_DISTANCE if distance <= MAX_DISTANCE else float("inf")
