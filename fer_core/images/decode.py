"""The one decoder of image files, for photos and data sets: applies orientation, rejects dangerous files first."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError, UnreadableImage
from fer_core.images.formats import jpeg_size, named_wrongly, pillow_formats, refuse_other_files, webp_size
from fer_core.preprocess import to_face

if TYPE_CHECKING:
    from PIL.Image import Image

_JPEG_END: Final = b"\xff\xd9"
_BACKGROUND: Final = (128, 128, 128)  # the background behind transparent pixels


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of what is decoded; anything beyond is rejected before decoding."""

    max_bytes: int
    max_pixels: int
    max_side: int
    min_side: int = 1
    max_reduced_pixels: int = 0
    """JPEG files with more than ``max_pixels`` but no more than this are decoded reduced."""

    def check_bytes(self, count: int) -> None:
        """Raise an error if a file of ``count`` bytes is too large.

        Raises:
            UnreadableImage: the file is too large.
        """
        if count > self.max_bytes:
            raise UnreadableImage(f"is larger than the {self.max_bytes >> 20} MB allowed")

    def check_size(self, width: int, height: int) -> None:
        """Raise an error if an image is too large or too small, in pixels.

        Raises:
            UnreadableImage: the image is too large or too small.
        """
        if width < 1 or height < 1:
            raise UnreadableImage("is damaged: it declares an image without pixels")
        if width * height > self.max_pixels or max(width, height) > self.max_side:
            raise UnreadableImage(self.too_large(f"{width:,}×{height:,} pixels"))
        if min(width, height) < self.min_side:
            raise UnreadableImage(f"is {width}×{height} pixels, too small to show a face")

    def too_large(self, size: str) -> str:
        """Return the reason for rejecting an image of this size."""
        return (
            f"declares {size}; at most {self.max_pixels // 10**6} million with sides up to {self.max_side:,} "
            "are decoded; reduce it first"
        )


PHOTO_LIMITS: Final = Limits(
    max_bytes=200 * 2**20, max_pixels=80_000_000, max_side=65_500, max_reduced_pixels=250_000_000
)
"""For photos; those of phones have 12 to 200 million pixels, the largest of which are decoded reduced."""
FACE_LIMITS: Final = Limits(max_bytes=64 * 2**20, max_pixels=50_000_000, max_side=16_384, min_side=8)
"""For images of a data set, one face each; below eight pixels nothing of a face is left."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo, upright."""

    rgb: npt.NDArray[np.uint8]
    """uint8 (height, width, 3), read-only."""
    notes: tuple[str, ...] = ()
    """Notes about how the file was read, one phrase each."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.rgb.shape[0])


def read_photo(source: str | Path | bytes, name: str | None = None, limits: Limits = PHOTO_LIMITS) -> Photo:
    """Decode a photograph from a file or from the bytes of one.

    Told by content, not by name. The rotation stored by the camera is applied; gray, palette, CMYK and 16-bit
    pictures become 8-bit RGB; transparent pixels are laid on mid-gray; of several frames or pages the first is used,
    and a note says so. Color profiles are not applied.

    Args:
        source: Path of the file, or its bytes.
        name: File name of ``bytes``, to note a wrong ending.
        limits: What is refused before it is decoded.

    Raises:
        ImageError: the file cannot be read.
        UnreadableImage: it is no picture, is damaged, or is larger than what is allowed.
    """
    if isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        data, name = _read(path, limits), name or path.name
    limits.check_bytes(len(data))
    refuse_other_files(data)
    size = jpeg_size(data)
    if size is not None and limits.max_pixels < size[0] * size[1] <= limits.max_reduced_pixels:
        return _read_reduced(data, size, limits)
    try:
        return _read_photo(data, name or "", limits)
    except UnreadableImage:
        whole = _complete_jpeg(data, limits)
        if whole is None:
            raise
    photo = _read_photo(whole, name or "", limits)
    return Photo(photo.rgb, (*photo.notes, "the end of the file is missing, but no pixels"))


def _read_photo(data: bytes, name: str, limits: Limits) -> Photo:
    with _opened(data, limits) as image:
        notes = _describe(image, name)
        upright, turned = _load_upright(image, limits)
        rgb = _to_rgb(upright)
    rgb.setflags(write=False)
    return Photo(rgb, notes + turned)


def _read_reduced(data: bytes, size: tuple[int, int], limits: Limits) -> Photo:
    """Decode a large JPEG at a half, a quarter or an eighth of its size, without decoding all pixels first."""
    import cv2

    width, height = size
    reductions = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    factor = next((f for f in reductions if width * height <= limits.max_pixels * f**2), max(reductions))
    limits.check_size(width // factor, height // factor)
    # OpenCV decodes a truncated JPEG to a half-gray image without an error.
    whole = data.rstrip(b"\0").endswith(_JPEG_END)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), reductions[factor]) if whole else None
    if bgr is None:
        raise UnreadableImage("is damaged or truncated")
    rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    rgb.setflags(write=False)
    return Photo(rgb, (f"decoded at 1/{factor} of its {width:,}×{height:,} pixels",))


def _complete_jpeg(data: bytes, limits: Limits) -> bytes | None:
    """Return a JPEG with the end marker it lacks, or None if pixels are missing too, or it is damaged in another way.

    A decoder replaces missing pixels without an error. They are missing if what follows the data changes the pixels.
    """
    if jpeg_size(data) is None:
        return None
    begun = data.removesuffix(b"\xff")
    try:
        pixels = []
        for filler in (b"", b"\x55" * 64, b"\xaa" * 64):
            with _opened(begun + filler + _JPEG_END, limits) as image:
                pixels.append(np.asarray(image.convert("RGB")))
    except UnreadableImage:
        return None
    same = all(np.array_equal(pixels[0], other) for other in pixels[1:])
    return begun + _JPEG_END if same else None


def decode_face(data: bytes, limits: Limits = FACE_LIMITS) -> npt.NDArray[np.uint8]:
    """One face (48, 48) uint8 from the bytes of an image file of a data set, gray or color, of any size.

    The same formats as for photographs; the rotation stored by a camera is applied.

    Raises:
        UnreadableImage: the bytes are no image, are truncated, or declare a size that is too large.
    """
    limits.check_bytes(len(data))
    size = jpeg_size(data)
    # A whole JPEG is what FER2013 is made of: OpenCV decodes it three times as fast as Pillow. Some of its versions
    # decode truncated ones to a half-gray face; those go to Pillow, which rejects them.
    if size is not None and data.endswith(_JPEG_END):
        limits.check_size(*size)
        return to_face(_decode_whole_jpeg(data))
    refuse_other_files(data)
    with _opened(data, limits) as image:
        return to_face(_to_gray_or_color(_load_upright(image, limits)[0]))


class _QuietPillow:
    """Silences Pillow's warnings about odd files while any thread decodes.

    Python's warning filters are global: the first thread changes them, the last one restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._filters = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._threads += 1
            if self._threads == 1:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads == 0:
                self._filters.close()


_quiet_pillow = _QuietPillow()


def _read(path: Path, limits: Limits) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ImageError(f"The file cannot be read ({getattr(error, 'strerror', None) or error}).") from error


@contextlib.contextmanager
def _opened(data: bytes, limits: Limits) -> Iterator[Image]:
    """Open a file with Pillow without decoding it; errors in the block count as damage of the file."""
    from PIL import Image, UnidentifiedImageError

    size = webp_size(data)
    if size is not None:
        limits.check_size(*size)
    try:
        with _quiet_pillow, Image.open(io.BytesIO(data), formats=pillow_formats(data)) as image:
            limits.check_size(*image.size)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            "is not an image in a supported format (JPEG, PNG, GIF, WebP, BMP, TIFF, PPM, AVIF, HEIC), "
            "or its beginning is damaged"
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage(limits.too_large("more pixels than any photo")) from error
    except MemoryError as error:
        raise UnreadableImage("needs more memory than is available; reduce it first") from error
    except Exception as error:  # Pillow's readers can raise a dozen kinds of errors on damaged bytes
        raise UnreadableImage("is damaged or truncated") from error


def _decode_whole_jpeg(data: bytes) -> npt.NDArray[np.generic]:
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise UnreadableImage("is damaged or truncated") from error
    if pixels is None:
        raise UnreadableImage("is damaged or truncated")
    array: npt.NDArray[np.generic] = np.asarray(pixels)
    return array if array.ndim == 2 else array[..., ::-1]  # OpenCV's order is BGR


def _describe(image: Image, name: str) -> tuple[str, ...]:
    notes = []
    kind = image.format or ""
    suffix = Path(name).suffix.lower()
    if named_wrongly(kind, suffix):
        notes.append(f"named {suffix}, but a {'HEIC' if kind == 'HEIF' else kind} file")
    try:
        several = bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged; the first may be whole
        several = True
    if several and kind == "HEIF":
        notes.append("contains several images; the main one is used")
    elif several and kind == "TIFF":
        notes.append("contains several pages; the first is used")
    elif several and kind != "MPO":  # further images of an MPO are the second view of a stereo camera, or a thumbnail
        notes.append("animated; the first frame is used")
    if kind != "HEIF":  # opened at its main image, which need not be the first
        image.seek(0)
    return tuple(notes)


def _load_upright(image: Image, limits: Limits) -> tuple[Image, tuple[str, ...]]:
    """Decode, and apply the rotation stored by the camera; that of a HEIC is part of its decoding."""
    from PIL import ImageOps

    image.load()
    limits.check_size(*image.size)  # the size of a HEIC is certain only now
    try:
        return ImageOps.exif_transpose(image), ()
    except Exception:  # damaged EXIF data raise many kinds of errors
        return image, ("its EXIF data is damaged; shown as stored",)


def _is_transparent(image: Image) -> bool:
    return image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info


def _to_rgb(image: Image) -> npt.NDArray[np.uint8]:
    from PIL import Image as PillowImage

    if image.mode == "F" or image.mode.startswith("I"):
        gray = _deep_to_8_bit(np.asarray(image))
        return np.repeat(gray[..., None], 3, axis=2)
    if _is_transparent(image):
        with_alpha = image.convert("RGBA")
        ground = PillowImage.new("RGB", image.size, _BACKGROUND)
        ground.paste(with_alpha, mask=with_alpha.getchannel("A"))
        image = ground
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _to_gray_or_color(image: Image) -> npt.NDArray[np.generic]:
    """(H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA, uint8, as :func:`to_face` takes it."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_to_8_bit(np.asarray(image))
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if _is_transparent(image) else "L" if image.mode == "1" else "RGB")
    return np.asarray(image)


def _deep_to_8_bit(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Gray values of 16 or 32 bits or of floating point to 0…255, by the range they use."""
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float32))
    top = float(numbers.max())
    if values.dtype.kind == "f" and top <= 1:
        numbers = numbers * 255
    elif values.dtype.itemsize == 2 or top > 255:
        numbers = numbers / (_full_scale(values, top) / 255)
    return np.clip(np.rint(numbers), 0, 255).astype(np.uint8)


def _full_scale(values: npt.NDArray[np.generic], top: float) -> float:
    """Return the value that is white: that of a sensor of 10, 12 or 14 bits if the image uses no more, else of 16 bits.

    Sensors store their values in the low bits. Values of 8 bits scaled to 16 are multiples of 257; such an image is only dark.
    """
    if top > 65535:
        return top
    if top <= 255 or not (np.asarray(values, dtype=np.int64) % 257).any():
        return 65535
    return next(white for white in (1023, 4095, 16383, 65535) if top <= white)
