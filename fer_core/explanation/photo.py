"""Explanation of a face in a photo: saliency map, region shares, sanity checks, and overlay image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError, ImageError
from fer_core.explanation.regions import region_masks, shares
from fer_core.explanation.saliency import METHODS, Saliency, explain
from fer_core.explanation.sanity import SanityReport, run_sanity_checks
from fer_core.faces import Face, FaceDetector, Square, crop_box, crop_square, largest
from fer_core.images import enlarge, read_photo, write_image
from fer_core.inference import Classifier
from fer_core.preprocess import FACE_SIZE

_OVERLAY_SIZE = 480  # pixels


@dataclass(frozen=True, eq=False)
class PhotoExplanation:
    """Explanation of one face of a photo.

    Attributes:
        crop: uint8 (48, 48), the network's input.
        saliency: the saliency map.
        shares: share of the attribution by region; None for an empty map.
        sanity: results of the sanity checks; None for an empty map.
    """

    crop: npt.NDArray[np.uint8]
    saliency: Saliency
    shares: dict[str, float] | None
    sanity: SanityReport | None

    def to_dict(self) -> dict[str, Any]:
        """Return the command line's JSON document."""
        record: dict[str, Any] = {"method": self.saliency.method, "target": self.saliency.label, "shares": self.shares}
        if self.saliency.note:
            record["note"] = self.saliency.note
        return {**record, **(self.sanity.to_dict() if self.sanity else {})}

    def text(self) -> str:
        """Return a summary for people."""
        if self.saliency.note or self.sanity is None or self.shares is None:
            return self.saliency.note or "No saliency map is available."
        regions = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        title = METHODS[self.saliency.method].title
        return "\n".join([f"{title} for '{self.saliency.label}': {regions}.", *self.sanity.summary()])

    def save(self, path: str | Path) -> None:
        """Write face and overlay side by side as an image; the file extension sets the format.

        Raises:
            ImageError: the extension is not an image format.
            WorkspaceError: the file cannot be written.
        """
        big = enlarge(self.crop, _OVERLAY_SIZE)
        pair = np.concatenate([np.repeat(big[..., None], 3, axis=2), overlay(self.crop, self.saliency)], axis=1)
        write_image(path, pair)


def landmarks_in_crop(face: Face, square: Square) -> npt.NDArray[np.float64]:
    """Return the detector's five landmarks in pixels of the 48×48 crop, float64 (5, 2)."""
    points = (face.landmarks.astype(np.float64) - [square.x, square.y]) * (FACE_SIZE / square.side)
    for _ in range(square.turns):  # turned back counterclockwise, as the crop is
        points = np.stack([points[:, 1], FACE_SIZE - points[:, 0]], axis=1)
    return points


def overlay(
    crop: npt.NDArray[np.uint8], saliency: Saliency, opacity: float = 0.6, side: int = _OVERLAY_SIZE
) -> npt.NDArray[np.uint8]:
    """Overlay the map on the face, uint8 RGB (side, side, 3); an empty map leaves the face unchanged.

    Values are clipped at the 99th percentile, so outliers do not hide the rest.
    """
    import cv2

    gray = np.repeat(enlarge(crop, side)[..., None], 3, axis=2).astype(np.float32)
    heat = cv2.resize(_clip_for_display(saliency), (side, side), interpolation=cv2.INTER_LINEAR)
    colors = cv2.applyColorMap(np.rint(255 * np.clip(heat, 0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = opacity * np.clip(heat, 0, 1)[..., None]  # zero attribution leaves the pixel unchanged
    mixed = gray * (1 - weight) + cv2.cvtColor(colors, cv2.COLOR_BGR2RGB).astype(np.float32) * weight
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _clip_for_display(saliency: Saliency) -> npt.NDArray[np.float32]:
    """Scale the map to 0…1, clipped at its 99th percentile."""
    top = float(np.percentile(saliency.positive, 99))
    return np.minimum(saliency.positive / top, 1).astype(np.float32) if top > 0 else saliency.scaled


def explain_photo(
    path: str | Path,
    classifier: Classifier,
    method: str = "gradcam",
    target: str | None = None,
    *,
    detector: FaceDetector | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> PhotoExplanation:
    """Explain the prediction for the largest face of a photo.

    Raises:
        ImageError: the file is not a readable image, or no face was found.
        FerError: the method or class is unknown.
    """
    if method not in METHODS:
        raise FerError(f"Unknown method '{method}'. Choose one of {', '.join(METHODS)}.")
    photo = read_photo(path)
    face = largest((detector or FaceDetector()).detect(photo.rgb))
    if face is None:
        raise ImageError(f"No face was found in {path}. Try a photo with a larger face that looks toward the camera.")
    square = crop_box(face)
    crop = crop_square(photo.rgb, square)
    saliency = explain(classifier, crop, method, target)
    if saliency.note:
        return PhotoExplanation(crop, saliency, None, None)
    found = shares(saliency.positive, region_masks(landmarks_in_crop(face, square)))
    return PhotoExplanation(
        crop, saliency, found, run_sanity_checks(classifier, crop, saliency, on_progress=on_progress)
    )
