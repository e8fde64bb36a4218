"""The detector's scores of real faces, also in poor photos, and of false faces: where the threshold of doubt comes from.

``python -m tests.benchmarks.doubtful_faces FOLDER``, a folder of photos with one face each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fer_core.faces import FaceDetector
from fer_core.faces.detector import DOUBTFUL_SCORE
from fer_core.images import read_photo

Pixels = npt.NDArray[np.uint8]
THRESHOLDS = (0.75, DOUBTFUL_SCORE, 0.85)


def main(folder: str) -> None:
    """Print a table with a row for each kind of image."""
    detector = FaceDetector()
    photos = [read_photo(path).rgb for path in sorted(Path(folder).glob("*.jpg"))]
    print("| images | n | found | " + " | ".join(f"below {threshold}" for threshold in THRESHOLDS) + " |")
    print("|---|---|---|" + "---|" * len(THRESHOLDS))
    for name, change in POOR.items():
        report(f"faces, {name}", detector, (change(photo) for photo in photos))
    for name, change in FALSE.items():
        report(f"no face: {name}", detector, (change(photo, n) for n, photo in enumerate(4 * photos)))


def report(name: str, detector: FaceDetector, images: Iterable[Pixels]) -> None:
    """Print how many images show a face, and how many of these have a best score below each threshold."""
    best = [max((face.score for face in detector.detect(image, fast=True)), default=0.0) for image in images]
    found = [score for score in best if score]
    below = " | ".join(str(sum(score < threshold for score in found)) for threshold in THRESHOLDS)
    print(f"| {name} | {len(best)} | {len(found)} | {below} |", flush=True)


def small(photo: Pixels) -> Pixels:
    """Place the photo, 100 pixels high, in a gray frame of 640×480."""
    scene = np.full((480, 640, 3), 120, np.uint8)
    width = round(100 * photo.shape[1] / photo.shape[0])
    scene[100:200, 200 : 200 + width] = cv2.resize(photo, (width, 100), interpolation=cv2.INTER_AREA)
    return scene


def noisy(photo: Pixels) -> Pixels:
    """Add Gaussian noise with a standard deviation of 40."""
    noise = np.random.default_rng(0).normal(0, 40, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def tilted(photo: Pixels) -> Pixels:
    """Turn the photo by 30 degrees."""
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 1)
    return np.asarray(cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def shuffled(photo: Pixels, seed: int) -> Pixels:
    """Shuffle the nine parts of the photo."""
    height, width = photo.shape[0] // 3, photo.shape[1] // 3
    parts = [photo[y * height :][:height, x * width :][:, :width] for y in range(3) for x in range(3)]
    order = np.random.default_rng(seed).permutation(9)
    return np.vstack([np.hstack([parts[part] for part in row]) for row in order.reshape(3, 3)])


def objects(photo: Pixels, seed: int) -> Pixels:
    """Draw ellipses and rectangles at random."""
    random = np.random.default_rng(seed)
    image = np.full((320, 320, 3), random.integers(60, 220, 3), np.uint8)
    for _ in range(random.integers(3, 14)):
        color = tuple(int(value) for value in random.integers(0, 255, 3))
        x, y, width, height = (int(value) for value in random.integers(8, 312, 4))
        if random.random() < 0.6:
            cv2.ellipse(image, (x, y), (width // 2, height // 2), float(random.integers(0, 180)), 0, 360, color, -1)
        else:
            cv2.rectangle(image, (x, y), (x + width // 2, y + height // 2), color, -1)
    return image


POOR: dict[str, Callable[[Pixels], Pixels]] = {
    "as they are": lambda photo: photo,
    "100 pixels high": small,
    "blurred (6 pixels)": lambda photo: np.asarray(cv2.GaussianBlur(photo, (0, 0), 6), np.uint8),
    "at 15% brightness": lambda photo: (photo * 0.15).astype(np.uint8),
    "noise (40)": noisy,
    "tilted by 30°": tilted,
}
FALSE: dict[str, Callable[[Pixels, int], Pixels]] = {
    "drawn objects": objects,
    "photos in nine shuffled parts": shuffled,
}

if __name__ == "__main__":
    main(sys.argv[1])
