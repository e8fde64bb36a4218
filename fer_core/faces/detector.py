"""Face detection with YuNet (Wu, Peng & Yu 2023) through OpenCV, for images of any size."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError, ModelError
from fer_core.faces.boxes import Box, intersection, intersection_over_union
from fer_core.resources import asset

YUNET: Final = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256: Final = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

LONGEST_SIDE: Final = 320
"""Longest side of the image during detection; YuNet misses faces that fill a larger frame."""
THRESHOLD: Final = 0.6
"""Lowest score of a face; at OpenCV's default of 0.9 most real faces are missed."""
UPRIGHT_SCORE: Final = 0.9
"""A face with a lower score may be turned: YuNet finds half of the turned faces, with upright landmarks and a lower score."""

LIVE_UPRIGHT_SCORE: Final = 0.87
"""The same bound for live use, where the search for turned faces costs frames; no upright portrait had a lower score."""

DOUBTFUL_SCORE: Final = 0.8
"""A prediction for a face with a lower score is "not sure", because it may not be a face; measured in ``docs/benchmarks.md``."""

_FINE = 4  # the longest side for small faces is four times as long
_LARGEST_ENLARGEMENT = 4.0  # a face of 48 pixels is enlarged to 192
_LONGEST_STRIP = 4096  # pixels; the longest side of a panorama during detection
_SMALLEST_SIDE = 10  # pixels after scaling; YuNet finds no smaller face
_SMALLEST_INPUT = 64  # pixels; OpenCV 4.10 reports false faces if the coarsest feature map (stride 32) has a single row
_TURNED_SIDE = 64  # pixels; longest side of a face while its surroundings are searched turned
_TURNED_REACH = 0.75  # the surroundings reach this far from the face's center, in units of its longest side
_TURNED_INPUT = 128  # pixels; the fixed input of that search: OpenCV rebuilds a network whenever its input size changes
_TURNED_MARGIN = 0.02  # a turned face must have a score higher by this than the upright one
_TURNED_SCORE = 0.8  # lowest score of a turned face; at THRESHOLD, three more searches would find more false faces
_NMS_IOU = 0.3
_NMS_CONTAINED = 0.6

# OpenCV's log level is global, so two threads must not change it at the same time.
_log_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face, in pixels of its image (origin at the outer corner of the first pixel)."""

    box: Box
    """Left, top, width, height. May extend beyond the image."""
    score: float
    """The detector's score, 0…1; above its threshold."""
    landmarks: npt.NDArray[np.float32]
    """(5, 2), x and y, read-only: the person's right eye (left in the image), left eye, nose tip,
    right mouth corner, left mouth corner."""

    @property
    def is_doubtful(self) -> bool:
        """Whether the score is so low that this may not be a face."""
        return self.score < DOUBTFUL_SCORE

    @property
    def centre(self) -> tuple[float, float]:
        """Center of the box: x, y."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


class FaceDetector:
    """YuNet with verified weights; thread-safe.

    OpenCV's detector keeps buffers between calls, so calls are serialized by a lock. Threads that should run in parallel, such as
    two webcams, should each create a detector, which takes 10 ms.
    """

    def __init__(
        self, longest_side: int = LONGEST_SIDE, threshold: float = THRESHOLD, weights: str | Path | None = None
    ) -> None:
        """Load the weights.

        Args:
            longest_side: longest side of the image during detection, 64…4096 pixels. Smaller is faster but finds only larger
                faces: a face needs about 25 of these pixels.
            threshold: lowest score of a face, 0…1.
            weights: the file ``face_detection_yunet_2023mar.onnx``; None uses the one that ships with the program.

        Raises:
            ModelError: the weights are missing or are not the tested file.
            ValueError: a setting is out of bounds.
        """
        if not 64 <= longest_side <= _LONGEST_STRIP or not 0 < threshold <= 1:
            raise ValueError(f"longest_side must be in 64…{_LONGEST_STRIP} and threshold in 0…1.")
        self.longest_side = longest_side
        self.threshold = threshold
        self._weights = Path(weights or asset(YUNET))
        self._net = _load(self._weights, threshold)
        self._small_net = _load(self._weights, threshold, _TURNED_INPUT)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[FaceDetector], tuple[int, float, Path]]:
        """Send it to another process as its settings."""
        return type(self), (self.longest_side, self.threshold, self._weights)

    def detect(self, image: npt.NDArray[np.generic], fast: bool = False) -> tuple[Face, ...]:
        """Detect the faces in an image, sorted by the x, then y coordinate of their centers.

        The image is searched at ``longest_side``; at half of it if that finds nothing (faces that fill the frame); and at four times
        ``longest_side``, if the image is large enough, for small faces. Non-maximum suppression merges the results.

        YuNet gives turned faces the landmarks of an upright face. If a face has a score below :data:`UPRIGHT_SCORE`, or none is found,
        the image is therefore also searched turned by 90, 180 and 270 degrees, and the best detection replaces the face.

        Args:
            image: uint8, gray (H, W) or RGB (H, W, 3), of any size.
            fast: skip the search for small faces, which takes most of the time, and search turned only around the largest doubtful
                face; for live use.

        Raises:
            ImageError: the array is not such an image.
        """
        pixels = _as_image(image)
        height, width = pixels.shape[:2]
        scale = self._scale(height, width)
        found = self._search(pixels, scale)
        if not found:
            found = self._search(pixels, scale / 2)
        fine = min(scale * _FINE, 1.0)
        if not fast and fine > scale * 1.5:
            found += self._search(pixels, fine)
        faces = _suppress(found)
        doubtful = [face for face in faces if face.score < (LIVE_UPRIGHT_SCORE if fast else UPRIGHT_SCORE)]
        if fast:
            doubtful = sorted(doubtful, key=lambda face: face.box[2] * face.box[3])[-1:]
        elif not faces:
            faces = _suppress(self._search_turned(pixels, scale) or self._search_turned(pixels, scale / 2))
        if doubtful:
            turned = [] if fast else self._search_turned(pixels, scale)
            best = {face: _better(face, turned) or self._search_around(pixels, face, scale) for face in doubtful}
            faces = _suppress([best.get(face, face) for face in faces])
        return tuple(sorted(faces, key=lambda face: face.centre))

    def _search_around(self, image: npt.NDArray[np.uint8], face: Face, scale: float) -> Face:
        """Return the best detection of ``face`` in its surroundings turned by 90, 180 and 270 degrees, or ``face`` itself.

        If it is turned, the image is searched in that orientation at ``scale``, where landmarks are more precise.
        """
        side = max(face.box[2:])
        x, y = face.centre
        reach = _TURNED_REACH * side
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        part = image[top : int(y + reach) + 1, left : int(x + reach) + 1]
        small = _resize(part, min(_LARGEST_ENLARGEMENT, _TURNED_SIDE / side))  # once, before it is turned
        factors = part.shape[1] / small.shape[1], part.shape[0] / small.shape[0]
        best, best_turns = face, 0
        for turns in (1, 2, 3):
            turned = self._search_turned(small, 1.0, (turns,), small=True)
            found = [_moved(other, factors, (left, top)) for other in turned]
            better = _better(face, found)
            if better and better.score > best.score:
                best, best_turns = better, turns
        if best_turns:
            return _better(face, self._search_turned(image, scale, (best_turns,))) or best
        return face

    def _search_turned(
        self, image: npt.NDArray[np.uint8], scale: float, all_turns: tuple[int, ...] = (1, 2, 3), small: bool = False
    ) -> list[Face]:
        """Return the faces found in the image turned by these quarter turns, in coordinates of the image."""
        height, width = image.shape[:2]
        return [
            _turn_back(face, turns, width, height)
            for turns in all_turns
            for face in self._search(np.ascontiguousarray(np.rot90(image, turns)), scale, small)
            if face.score >= _TURNED_SCORE
        ]

    def _scale(self, height: int, width: int) -> float:
        """Return the factor that scales the image to ``longest_side``; a panorama counts as three times as long as high."""
        longest, shortest = max(height, width), min(height, width)
        scale = self.longest_side / min(longest, 3 * shortest)
        return min(scale, _LARGEST_ENLARGEMENT, _LONGEST_STRIP / longest)

    def _search(self, image: npt.NDArray[np.uint8], scale: float, small: bool = False) -> list[Face]:
        """Return the faces at one scale; ``small`` uses the network of fixed size, which the scaled image must fit."""
        import cv2

        height, width = image.shape[:2]
        resized = _resize(image, scale)
        size = resized.shape[1], resized.shape[0]
        if min(size) < _SMALLEST_SIDE:
            return []
        bgr = cv2.cvtColor(resized, cv2.COLOR_GRAY2BGR if resized.ndim == 2 else cv2.COLOR_RGB2BGR)
        right, below = (max(0, (_TURNED_INPUT if small else _SMALLEST_INPUT) - side) for side in size)
        if right or below:
            bgr = cv2.copyMakeBorder(bgr, 0, below, 0, right, cv2.BORDER_CONSTANT)
        with self._lock:
            if small:
                _, rows = self._small_net.detect(bgr)
            else:
                self._net.setInputSize((bgr.shape[1], bgr.shape[0]))
                _, rows = self._net.detect(bgr)
        if rows is None:
            return []
        # Each axis was rounded to whole pixels separately, so each has its own inverse factor.
        back = np.array([width / size[0], height / size[1]], dtype=np.float64)
        points = np.asarray(rows, dtype=np.float64)[:, :14].reshape(-1, 7, 2) * back  # corner, size, five landmarks
        scores = np.asarray(rows, dtype=np.float64)[:, 14]
        return [
            _face(row, score) for row, score in zip(points, scores, strict=True) if _is_sane(row, score, width, height)
        ]


def largest(faces: tuple[Face, ...]) -> Face | None:
    """Return the face with the largest box, or None."""
    return max(faces, key=lambda face: face.box[2] * face.box[3], default=None)


def _face(row: npt.NDArray[np.float64], score: float) -> Face:
    landmarks = row[2:].astype(np.float32)
    landmarks.setflags(write=False)
    (x, y), (width, height) = row[:2]
    return Face((float(x), float(y), float(width), float(height)), float(min(score, 1.0)), landmarks)


def _better(face: Face, others: list[Face]) -> Face | None:
    """Return the best of the detections of the same face that have a clearly higher score, or None."""
    better = [other for other in others if other.score > face.score + _TURNED_MARGIN and _same(face, other)]
    return max(better, key=lambda other: other.score, default=None)


def _turn_back(face: Face, turns: int, width: int, height: int) -> Face:
    """Return a face of ``np.rot90(image, turns)`` in coordinates of the image, which has this width and height."""

    def back(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x, y = points[..., 0], points[..., 1]
        return np.stack(((width - y, x), (width - x, height - y), (y, height - x))[turns - 1], axis=-1)

    left, top, w, h = face.box
    corners = back(np.array([(left, top), (left + w, top + h)]))
    corner = corners.min(axis=0)
    row = np.vstack([corner, corners.max(axis=0) - corner, back(face.landmarks.astype(np.float64))])
    return _face(row, face.score)


def _moved(face: Face, factors: tuple[float, float], offset: tuple[int, int]) -> Face:
    """Return the face scaled by the factors of both axes, then moved by whole pixels."""
    left, top, width, height = face.box
    scale, move = np.array(factors), np.array(offset)
    points = np.vstack([(left, top), face.landmarks.astype(np.float64)]) * scale + move
    return _face(np.vstack([points[0], np.array([width, height]) * scale, points[1:]]), face.score)


def _resize(image: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    """Return the image scaled to whole pixels."""
    import cv2

    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return image
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)


def _is_sane(row: npt.NDArray[np.float64], score: float, width: int, height: int) -> bool:
    """Return whether a face has a positive size and its center lies in the image (OpenCV 4.10 can return others)."""
    if not (np.isfinite(row).all() and np.isfinite(score)):
        return False
    centre, size = row[0] + row[1] / 2, row[1]
    image = np.array([width, height])
    return bool((size > 0).all() and (size < 3 * image.max()).all() and (centre >= 0).all() and (centre <= image).all())


def _suppress(faces: list[Face]) -> list[Face]:
    """Apply greedy non-maximum suppression by score.

    A face inside a better one is dropped too, because the fine search mistakes parts of a large face for faces.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _same(a: Face, b: Face) -> bool:
    smaller = min(a.box[2] * a.box[3], b.box[2] * b.box[3])
    contained = intersection(a.box, b.box) > _NMS_CONTAINED * smaller
    return contained or intersection_over_union(a.box, b.box) > _NMS_IOU


def _as_image(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise ImageError(
            "The image must be uint8, gray (H, W) or RGB (H, W, 3); "
            f"got {array.dtype} of shape {array.shape}. Use fer_core.images.read_photo to decode a file."
        )
    return np.ascontiguousarray(array)


def _load(path: Path, threshold: float, side: int = LONGEST_SIDE) -> Any:
    import cv2

    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"The face detector's weights {path} cannot be read ({error.strerror}). Reinstall FER Lab."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != YUNET_SHA256:
        raise ModelError(
            f"The face detector's weights {path} are damaged or another version: expected sha-256 {YUNET_SHA256[:12]}…, "
            f"found {digest[:12]}…. Restore face_detection_yunet_2023mar.onnx from OpenCV Zoo."
        )
    # Loaded from memory, so that the verified bytes are the ones in use, and the path may contain any character.
    with _quiet_opencv():
        return cv2.FaceDetectorYN.create(
            "onnx", np.frombuffer(content, np.uint8), np.empty(0, np.uint8), (side, side), threshold, _NMS_IOU, 5000
        )


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's warnings: version 5.0 prints a harmless one whenever it builds a network."""
    import cv2

    # The setting moved: cv2 in 4.10, cv2.utils.logging later.
    logging: Any = getattr(cv2.utils, "logging", cv2)
    error_level = 2
    with _log_lock:
        before = logging.getLogLevel()
        logging.setLogLevel(min(error_level, before))
        try:
            yield
        finally:
            logging.setLogLevel(before)
