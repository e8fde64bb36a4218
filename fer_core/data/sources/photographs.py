"""Photographs among training images: notices whole scenes, and crops their faces by the rule used for predictions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers import Container
from fer_core.errors import ImageError, PhotographsFound, UnreadableImage
from fer_core.faces import FaceDetector, crop_box, crop_square, largest
from fer_core.formatting import percent
from fer_core.images import FACE_LIMITS, read_photo

CropChoice = Literal["ask", "faces", "none"]
"""What to do with photographs: refuse them, crop the faces, or use the whole images."""

NO_FACE: Final = "has no face that the detector finds"
"""The reason for which a photograph is not cropped."""
_SAMPLE: Final = 48
"""Images examined."""
_SMALLEST_SIDE: Final = 96
"""Pixels; smaller images are face crops for certain, and the detector would only guess."""
_FACE_SHARE: Final = 0.5
"""Median share of the image's area that the crop square has, below which the images are photographs. FER2013's faces
have 0.98 (10th percentile 0.61, n = 102), a head-and-shoulders portrait about 0.25."""
_FEWEST: Final = 3
"""Faces that must be found before anything is concluded."""


class FaceCropper:
    """Decodes a photograph and crops its largest face, as prediction does; for use by several threads.

    Attributes:
        without_face: how many images had no face.
        with_several: how many images had more than one face; the largest was used.
    """

    def __init__(self) -> None:
        """Prepare one detector per thread, made when first needed."""
        self.without_face = self.with_several = 0
        self._lock = threading.Lock()
        self._local = threading.local()

    def __call__(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Return the face, uint8 (48, 48).

        Raises:
            UnreadableImage: the bytes are not an image, or no face is found.
        """
        try:
            photo = read_photo(data, limits=FACE_LIMITS)
        except UnreadableImage:
            raise
        except ImageError as error:
            raise UnreadableImage("cannot be read") from error
        if not hasattr(self._local, "detector"):
            self._local.detector = FaceDetector()
        faces = self._local.detector.detect(photo.rgb)
        best = largest(faces)
        with self._lock:
            self.without_face += best is None
            self.with_several += len(faces) > 1
        if best is None:
            raise UnreadableImage(NO_FACE)
        return crop_square(photo.rgb, crop_box(best))

    def notes(self, total: int) -> list[str]:
        """Return sentences on what was cropped, of ``total`` images."""
        notes = [f"Cropped the largest face of each photo ({total - self.without_face:,} of {total:,})."]
        if self.with_several:
            notes.append(f"{self.with_several:,} photos show several faces; the largest was used.")
        return notes


def refuse_photographs(container: Container, images: Sequence[str], where: str) -> None:
    """Refuse images that are whole scenes rather than face crops, judging by their shape and by the detector.

    A network trained on whole scenes learns little, and nothing about faces cropped for prediction.

    Args:
        container: the files.
        images: names of the labeled images; a sample of them is examined.
        where: name of the source in messages.

    Raises:
        PhotographsFound: the faces fill less than half of the images (median).
    """
    detector: FaceDetector | None = None
    shares: list[float] = []
    sizes: Counter[tuple[int, int]] = Counter()
    sample = [images[i] for i in sorted({round(at) for at in np.linspace(0, len(images) - 1, _SAMPLE)})]
    for name in sample:
        try:
            photo = read_photo(container.read(name, FACE_LIMITS.max_bytes), limits=FACE_LIMITS)
        except (ImageError, UnreadableFile):
            continue  # reading reports it
        if min(photo.width, photo.height) < _SMALLEST_SIDE:
            continue
        detector = detector or FaceDetector()
        face = largest(detector.detect(photo.rgb))
        sizes[photo.width, photo.height] += 1
        if face is not None:
            shares.append(min(1.0, crop_box(face).side ** 2 / (photo.width * photo.height)))
    # Small images, or images in which the detector sees no faces (drawings), are read as they are.
    if len(shares) < _FEWEST or 2 * len(shares) < len(sample) or float(np.median(shares)) >= _FACE_SHARE:
        return
    (width, height), _ = sizes.most_common(1)[0]
    raise PhotographsFound(
        f"{where} has photographs, not face crops: the face fills {percent(float(np.median(shares)), 0)} of an image "
        f"(median of {len(shares):,} examined; most are {width}×{height} pixels). Crop the faces as for predictions "
        "(--crop faces), or use the whole images (--crop none)."
    )
