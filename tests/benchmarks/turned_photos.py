"""How photos turned by 90, 180 and 270 degrees are read, compared with the same photos upright.

``python -m tests.benchmarks.turned_photos FOLDER [MODEL] [fast]``, a folder of photos with one face each; ``fast`` searches
as in live use.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_core.faces import Face, FaceDetector
from fer_core.images import Photo, read_photo
from fer_core.inference import Classifier, default_model
from fer_core.photos import FacePrediction, predict_image


def main(folder: str, model: str, fast: bool = False) -> None:
    """Print a table with a row for each turn."""
    detector, classifier = LiveSearch() if fast else FaceDetector(), Classifier.load(model)
    photos = [read_photo(path) for path in sorted(Path(folder).glob("*.jpg"))]
    upright = [largest(photo, detector, classifier) for photo in photos]
    print(f"{model}, {len(photos)} photos, {sum(face is not None for face in upright)} faces found upright")
    print("| turned clockwise | found | same label | another label, not abstained | median ms to find |")
    print("|---|---|---|---|---|")
    for turns in (0, 1, 2, 3):
        found = same = wrong = 0
        milliseconds = []
        for photo, before in zip(photos, upright, strict=True):
            turned = Photo(np.ascontiguousarray(np.rot90(photo.rgb, -turns)))
            begin = time.perf_counter()
            detector.detect(turned.rgb)
            milliseconds.append(1000 * (time.perf_counter() - begin))
            face = largest(turned, detector, classifier)
            if face is None or before is None:
                continue
            found += 1
            same += face.label == before.label
            wrong += face.label != before.label and not face.abstained
        share = f"{same} ({same / max(found, 1):.1%}) | {wrong} ({wrong / max(found, 1):.1%})"
        print(f"| {90 * turns}° | {found} of {len(photos)} | {share} | {np.median(milliseconds):.1f} |")


class LiveSearch(FaceDetector):
    """The detector as live use calls it."""

    def detect(self, image: npt.NDArray[np.generic], fast: bool = True) -> tuple[Face, ...]:
        """Search as in live use."""
        return super().detect(image, fast=True)


def largest(photo: Photo, detector: FaceDetector, classifier: Classifier) -> FacePrediction | None:
    """Return the prediction for the largest face of a photo."""
    faces = predict_image(photo, detector, classifier).faces
    return max(faces, key=lambda face: face.square.side, default=None)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "fast"]
    main(arguments[0], arguments[1] if len(arguments) > 1 else default_model(), "fast" in sys.argv)
