"""What the tests of this room share: the detector, an untrained classifier, and scenes with drawn faces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fer_core.data.synthetic import draw_face
from fer_core.faces import FaceDetector
from fer_core.inference import Classifier
from tests.conftest import SHARED
from tests.factories import untrained_checkpoint

PHOTOS = SHARED / "data" / "photos"


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_checkpoint(tmp_path_factory.mktemp("model") / "untrained.safetensors")


@pytest.fixture(scope="session")
def classifier(checkpoint: Path) -> Classifier:
    return Classifier.load(checkpoint)


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """A batch of one or two faces gains nothing from threads, and loses much where other programs use the cores."""
    if "checkpoint" not in request.fixturenames and "classifier" not in request.fixturenames:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """The sixty real photographs, where they lie beside the checkout."""
    found = sorted(PHOTOS.glob("*.jpg"))
    if not found:
        pytest.skip("the photographs are not beside this checkout (../shared/data/photos)")
    return found


@cache
def drawn(size: int = 200, seed: int = 0) -> np.ndarray:
    """One drawn face, grey uint8 (size, size)."""
    image = draw_face(seed % 7, np.random.default_rng(seed), size)
    image.setflags(write=False)
    return image


def scene(*places: tuple[int, int, int], width: int = 640, height: int = 480) -> np.ndarray:
    """A grey wall, RGB uint8, with a drawn face at each (x, y, size)."""
    wall = np.full((height, width), 120, np.uint8)
    for seed, (x, y, size) in enumerate(places):
        wall[y : y + size, x : x + size] = drawn(size, seed)
    return np.repeat(wall[..., None], 3, axis=2)


def encode(image: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def fill(folder: Path, count: int) -> Path:
    """Fill a new folder with photos: in turn one face, two faces, none, and a file that cannot be read."""
    folder.mkdir()
    kinds = [
        encode(scene((200, 100, 200))),
        encode(scene((30, 100, 200), (380, 150, 180))),
        encode(scene()),
        b"no image",
    ]
    for number in range(count):
        (folder / f"{number:02}.png").write_bytes(kinds[number % 4])
    return folder
