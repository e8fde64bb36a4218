"""Photographs among training images: notices whole scenes, and crops their faces by the rule used for predictions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer_core.data.parsed import Parsed, UnreadableFile
from fer_core.data.sources.containers import Container
from fer_core.data.sources.image_files import Decode
from fer_core.data.sources.layouts.labeled import named
from fer_core.errors import ImageError, PhotographsFound, UnreadableImage
from fer_core.faces import FaceDetector, crop_box, crop_square, largest
from fer_core.formatting import percent
from fer_core.images import FACE_LIMITS, decode_face, read_photo

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
        without_face: number of images without a face.
        with_several: number of images with more than one face; the largest was used.
    """

    def __init__(self) -> None:
        """Prepare a detector for each thread, made when first needed."""
        self.without_face = self.with_several = 0
        self._lock = threading.Lock()
        self._local = threading.local()

    def __call__(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Return the face, uint8 (48, 48), of the bytes of an image file.

        Raises:
            UnreadableImage: the bytes are not an image, or no face is found.
        """
        try:
            photo = read_photo(data, limits=FACE_LIMITS)
        except UnreadableImage:
            raise
        except ImageError as error:
            raise UnreadableImage("cannot be read") from error
        return self.crop(photo.rgb)

    def crop(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the face, uint8 (48, 48), of an image, gray (H, W) or RGB (H, W, 3).

        Raises:
            UnreadableImage: no face is found.
        """
        if not hasattr(self._local, "detector"):
            self._local.detector = FaceDetector()
        faces = self._local.detector.detect(image)
        best = largest(faces)
        with self._lock:
            self.without_face += best is None
            self.with_several += len(faces) > 1
        if best is None:
            raise UnreadableImage(NO_FACE)
        return crop_square(image, crop_box(best))

    def finish(self, parsed: Parsed) -> Parsed:
        """Return the faces with notes on the crops; photos without a face are excluded, not unreadable."""
        faceless = [(name, why) for name, why in parsed.unreadable if why == NO_FACE]
        total = len(parsed.images) + len(faceless)
        if faceless and not len(parsed.images):
            return parsed
        notes = [f"Cropped the largest face of each photo ({len(parsed.images):,} of {total:,})."]
        if self.with_several:
            notes.append(f"{self.with_several:,} photos show several faces; the largest was used.")
        if faceless:
            names = named(name for name, _ in faceless)
            notes.append(f"Excluded {len(faceless):,} photos in which no face was found: {names}.")
        return replace(
            parsed,
            unreadable=tuple(one for one in parsed.unreadable if one not in faceless),
            warnings=(*parsed.warnings, *notes),
            excluded=(*parsed.excluded, *(name for name, _ in faceless)),
        )


class PhotographCheck:
    """Examines a sample of images, and refuses them if they are whole scenes rather than face crops.

    A network trained on whole scenes learns little, and nothing about faces cropped for prediction. Images are judged
    by their shape and by the detector.
    """

    def __init__(self, where: str) -> None:
        """Begin a sample; ``where`` is the name of the source in messages."""
        self._where = where
        self._detector: FaceDetector | None = None
        self._shares: list[float] = []
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._examined = 0

    @property
    def is_full(self) -> bool:
        """Whether the sample needs no more images."""
        return self._examined >= _SAMPLE

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """Add an image, gray (H, W) or RGB (H, W, 3), to the sample."""
        self._examined += 1
        height, width = image.shape[:2]
        if min(height, width) < _SMALLEST_SIDE:
            return
        self._detector = self._detector or FaceDetector()
        self._sizes[width, height] += 1
        if (face := largest(self._detector.detect(image))) is not None:
            self._shares.append(min(1.0, crop_box(face).side ** 2 / (width * height)))

    def conclude(self) -> None:
        """Judge the sample.

        Raises:
            PhotographsFound: the face fills less than half of the images (median).
        """
        # Small images, or images in which the detector sees no faces (drawings), are read as they are.
        if len(self._shares) < _FEWEST or 2 * len(self._shares) < self._examined:
            return
        share = float(np.median(self._shares))
        if share >= _FACE_SHARE:
            return
        (width, height), _ = self._sizes.most_common(1)[0]
        raise PhotographsFound(
            f"{self._where} has photographs, not face crops: the face fills {percent(share, 0)} of an image "
            f"(median of {len(self._shares):,} examined; most are {width}×{height} pixels). Crop the faces as for "
            "predictions (--crop faces), or use the whole images (--crop none)."
        )


class _CheckedDecoder:
    """Decodes faces, and examines the first images as a sample."""

    def __init__(self, where: str) -> None:
        self.check = PhotographCheck(where)

    def __call__(self, data: bytes) -> npt.NDArray[np.uint8]:
        if not self.check.is_full:
            self.check.add(read_photo(data, limits=FACE_LIMITS).rgb)
            if self.check.is_full:
                self.check.conclude()
        return decode_face(data)


def read_with_crop(crop: CropChoice, where: str, read: Callable[[Decode], Parsed]) -> Parsed:
    """Read faces with the decoder that the user's choice needs.

    Args:
        crop: what to do with photographs.
        where: name of the source in messages.
        read: reads the faces in this thread with the decoder given.

    Raises:
        PhotographsFound: the first images are photographs, and ``crop`` is ``ask``.
    """
    if crop == "faces":
        cropper = FaceCropper()
        return cropper.finish(read(cropper))
    if crop == "ask":
        decoder = _CheckedDecoder(where)
        parsed = read(decoder)
        decoder.check.conclude()
        return parsed
    return read(decode_face)


def refuse_photographs(container: Container, images: Sequence[str], where: str) -> None:
    """Refuse image files that are whole scenes rather than face crops, judging by a sample.

    Args:
        container: the files.
        images: names of the labeled images.
        where: name of the source in messages.

    Raises:
        PhotographsFound: see :meth:`PhotographCheck.conclude`.
    """
    check = PhotographCheck(where)
    for position in sorted({round(at) for at in np.linspace(0, len(images) - 1, _SAMPLE)}) if images else ():
        try:
            check.add(read_photo(container.read(images[position], FACE_LIMITS.max_bytes), limits=FACE_LIMITS).rgb)
        except (ImageError, UnreadableFile):
            continue  # reading reports it
    check.conclude()
