"""The built-in data set: synthetic faces, drawn without any download and reproducible from a seed.

Use them for trying the program, for teaching and for tests. They say nothing about accuracy on people.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data.dataset import FaceDataset
from fer_core.data.parsed import Progress
from fer_core.errors import DataError
from fer_core.jobs import child_environment
from fer_core.preprocess import FACE_SIZE

VERSION: Final = 1
"""Increment whenever the same seed draws different faces."""
DEFAULT_COUNT: Final = 4_900
MIN_COUNT: Final = 70
"""Ten of each emotion, so that every split has some of each."""
MAX_COUNT: Final = 200_000

_EMOTIONS: Final = ClassList.fer2013()
"""The emotions drawn, with equal shares."""
_SEED = 2013
_TRAIN_SHARE, _VALID_SHARE = 0.70, 0.15
_REPORT_EVERY = 25
_WORTH_A_HELPER = 300
"""Faces per additional process; starting one takes half a second."""


def parse_source(source: str) -> int | None:
    """Parse ``synthetic`` or ``synthetic:N`` into the number of faces; None for any other source.

    Raises:
        DataError: N is not a number within bounds.
    """
    word, colon, number = source.strip().lower().partition(":")
    if word != "synthetic":
        return None
    if not colon:
        return DEFAULT_COUNT
    if not (number.isascii() and number.isdecimal() and MIN_COUNT <= int(number[:9]) <= MAX_COUNT and len(number) < 9):
        raise DataError(
            f"'{source}' is not a valid number of synthetic faces. Write synthetic:N with N from {MIN_COUNT} to {MAX_COUNT:,}."
        )
    return int(number)


def make_dataset(count: int = DEFAULT_COUNT, on_progress: Progress | None = None, *, seed: int = _SEED) -> FaceDataset:
    """Draw ``count`` faces in equal shares of the seven emotions: 70% train, 15% valid, 15% test.

    Each face has its own random generator, so the same seed gives the same faces on any number of cores.
    """
    labels = np.arange(count, dtype=np.int64) % len(_EMOTIONS)
    within = np.arange(count) // len(_EMOTIONS)  # position within the class
    sizes = np.bincount(labels)[labels]
    split = np.where(
        within < _TRAIN_SHARE * sizes,
        "train",
        np.where(within < (_TRAIN_SHARE + _VALID_SHARE) * sizes, "valid", "test"),
    )
    ids = [f"synthetic/{_EMOTIONS[int(label)]}/{number:05d}" for label, number in zip(labels, within, strict=True)]
    return FaceDataset(
        name="synthetic",
        images=_draw_all(count, seed, on_progress),
        labels=labels,
        split=split.astype(np.str_),
        ids=np.array(ids, dtype=np.str_),
        classes=_EMOTIONS,
    )


def _draw_all(count: int, seed: int, on_progress: Progress | None) -> npt.NDArray[np.uint8]:
    """Draw all faces, uint8 (count, 48, 48), in several processes, because drawing is Python code.

    Each process draws every n-th face. When this process has finished its own, it takes over faces of the helpers, from
    the last backwards, until it meets them. So it never waits, and a failing helper only costs time.
    """
    images = np.empty((count, FACE_SIZE, FACE_SIZE), np.uint8)
    step = max(1, min(os.cpu_count() or 1, 8, count // _WORTH_A_HELPER))
    drawn = 0
    with ExitStack() as stack:
        helpers = [stack.enter_context(_Helper(images, first, step, seed)) for first in range(1, step)]

        def own_and_taken_over() -> Iterator[int]:
            yield from range(0, count, step)
            for helper in helpers:
                last = len(helper.faces)
                while last > helper.done:
                    last -= 1
                    yield helper.faces[last]

        for drawn, i in enumerate(own_and_taken_over(), start=1):
            images[i] = _draw(i, seed)
            if on_progress is not None and drawn % _REPORT_EVERY == 0:
                on_progress(min(drawn + sum(helper.done for helper in helpers), count - 1), count)
    if on_progress is not None:
        on_progress(count, count)
    return images


def _draw(i: int, seed: int) -> npt.NDArray[np.uint8]:
    return draw_face(i % len(_EMOTIONS), np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))))


class _Helper:
    """A helper process that draws every ``step``-th face, and a thread that stores them in ``images``."""

    def __init__(self, images: npt.NDArray[np.uint8], first: int, step: int, seed: int) -> None:
        self.faces = range(first, len(images), step)
        self.done = 0  # written by the reading thread only
        self._images = images
        self._command = [sys.executable, "-c", _HELPER, *map(str, (first, len(images), step, seed))]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Helper:
        with suppress(OSError):  # no helper process: this one draws everything
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
            )
            self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
            self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.kill()  # finished or no longer needed
        self._reader.join()  # ends when the process closes the pipe
        with self._process:  # closes the pipe and waits
            pass

    def _read(self, pipe: IO[bytes]) -> None:
        """Read faces from the pipe until one is truncated or unexpected."""
        for i in self.faces:
            record = pipe.read(_RECORD_LENGTH)
            pixels = record[: FACE_SIZE * FACE_SIZE]
            if record != _record(i, pixels):
                return
            self._images[i] = np.frombuffer(pixels, np.uint8).reshape(FACE_SIZE, FACE_SIZE)
            self.done += 1


_HELPER = "import sys; from fer_core.data.synthetic import write_faces; write_faces(*map(int, sys.argv[1:]))"
_RECORD_LENGTH = FACE_SIZE * FACE_SIZE + 8


def _record(i: int, pixels: bytes) -> bytes:
    """Return the bytes of one face in the pipe: pixels, number, and a checksum over both."""
    content = pixels + i.to_bytes(4, "little")
    return content + zlib.crc32(content).to_bytes(4, "little")


def write_faces(first: int, count: int, step: int, seed: int) -> None:
    """Write every ``step``-th face to stdout; runs in a helper process."""
    for i in range(first, count, step):
        sys.stdout.buffer.write(_record(i, _draw(i, seed).tobytes()))
        sys.stdout.buffer.flush()


def draw_face(emotion: str | int, rng: np.random.Generator, size: int = FACE_SIZE) -> npt.NDArray[np.uint8]:
    """Draw one face; loads :func:`fer_core.data.synthetic.drawing.draw_face` when first needed."""
    from fer_core.data.synthetic import drawing

    return drawing.draw_face(emotion, rng, size)
