"""The built-in data set: drawn faces that need no download, the same for the same seed.

The faces serve to try the program, to teach and to test. They say nothing about accuracy on people.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import FaceDataset
from fer_core.data.parsed import Progress
from fer_core.errors import DataError
from fer_core.labels import LABELS
from fer_core.preprocess import FACE_SIZE

VERSION: Final = 1
"""Raised whenever the same seed would draw other faces."""
DEFAULT_COUNT: Final = 4_900
MIN_COUNT: Final = 70
"""Ten of each emotion, so that every split has some of each."""
MAX_COUNT: Final = 200_000

_SEED = 2013
_TRAIN_SHARE, _VALID_SHARE = 0.70, 0.15
_CHUNK = 50


def parse_source(source: str) -> int | None:
    """The number of faces that ``synthetic`` or ``synthetic:N`` asks for; None for any other source.

    Raises:
        DataError: N is no number within bounds.
    """
    word, colon, number = source.strip().lower().partition(":")
    if word != "synthetic":
        return None
    if not colon:
        return DEFAULT_COUNT
    if not (number.isascii() and number.isdecimal() and MIN_COUNT <= int(number[:9]) <= MAX_COUNT and len(number) < 9):
        raise DataError(
            f"'{source}' asks for no number of drawn faces; write synthetic:N with N from {MIN_COUNT} to {MAX_COUNT:,}."
        )
    return int(number)


def make_dataset(count: int = DEFAULT_COUNT, on_progress: Progress | None = None, *, seed: int = _SEED) -> FaceDataset:
    """Draw ``count`` faces, as many of each emotion as can be, 70 % to train, 15 % to validate, 15 % to test.

    Each face has a random generator of its own, so the same seed gives the same faces on any number of threads.
    """
    labels = np.arange(count, dtype=np.int64) % len(LABELS)
    within = np.arange(count) // len(LABELS)  # position within the class
    sizes = np.bincount(labels)[labels]
    split = np.where(
        within < _TRAIN_SHARE * sizes,
        "train",
        np.where(within < (_TRAIN_SHARE + _VALID_SHARE) * sizes, "valid", "test"),
    )
    seeds = np.random.SeedSequence(seed).spawn(count)
    images = np.empty((count, FACE_SIZE, FACE_SIZE), np.uint8)

    def draw_chunk(start: int) -> None:
        for i in range(start, min(start + _CHUNK, count)):
            images[i] = draw_face(int(labels[i]), np.random.default_rng(seeds[i]))

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        for done, _ in enumerate(pool.map(draw_chunk, range(0, count, _CHUNK)), start=1):
            if on_progress is not None:
                on_progress(min(done * _CHUNK, count), count)
    finally:
        pool.shutdown(cancel_futures=True)
    ids = [f"synthetic/{LABELS[label]}/{number:05d}" for label, number in zip(labels, within, strict=True)]
    return FaceDataset(
        name="synthetic", images=images, labels=labels, split=split.astype(np.str_), ids=np.array(ids, dtype=np.str_)
    )


def draw_face(emotion: str | int, rng: np.random.Generator, size: int = FACE_SIZE) -> npt.NDArray[np.uint8]:
    """One drawn face, see :func:`fer_core.data.drawing.draw_face`, which loads when first needed."""
    from fer_core.data import drawing

    return drawing.draw_face(emotion, rng, size)
