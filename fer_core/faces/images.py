"""Photographs from files: decoded upright, as RGB, with hostile files refused before they are decoded."""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES: Final = 200 * 2**20
"""Largest file that is read."""
MAX_PIXELS: Final = 80_000_000
"""Largest photograph that is decoded; a phone's have 12 to 50 million."""
MAX_SIDE: Final = 65_500
"""Longest side that is decoded."""

_SUFFIXES_OF: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pnm"),
    "AVIF": (".avif",),
}
FORMATS: Final[tuple[str, ...]] = tuple(_SUFFIXES_OF)
"""Pillow's names of the formats that are read; every further one would be a further door for hostile files."""
SUFFIXES: Final = frozenset(suffix for kind in _SUFFIXES_OF.values() for suffix in kind) | {".svg", ".heic", ".heif"}
"""File name endings that make a file of a folder a photograph. The last three are not read, but meant as pictures:
they are looked at, so that the reason is said."""

_BACKGROUND = (128, 128, 128)  # what transparent pixels are laid on

# Pillow warns about odd files through Python's warnings, whose filters belong to the whole process.
_warnings_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photograph, upright."""

    rgb: npt.NDArray[np.uint8]
    """uint8 (height, width, 3), read-only."""
    notes: tuple[str, ...] = ()
    """What a person should know about how the file was read, one phrase each."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.rgb.shape[0])


def read_photo(source: str | Path | bytes, name: str | None = None) -> Photo:
    """Decode a photograph from a file or from the bytes of one.

    Told by content, not by name. The rotation stored by the camera (EXIF) is applied; grey, palette, CMYK and 16-bit
    pictures become 8-bit RGB; transparent pixels are laid on mid-grey; of several frames or pages the first is used,
    and a note says so. Colour profiles are not applied.

    Args:
        source: Path of the file, or its bytes.
        name: File name of ``bytes``, to note a wrong ending.

    Raises:
        ImageError: the file cannot be read, is no picture, is damaged, or is larger than what is allowed.
    """
    if isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        data, name = _read(path), name or path.name
    _refuse_what_is_no_photo(data)
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _decode(data, name or "")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ImageError(f"The file cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file has more than the {MAX_BYTES >> 20} MB allowed for a photograph.")
    return data


def _refuse_what_is_no_photo(data: bytes) -> None:
    """A sentence of their own for the files people take for photographs most often."""
    if not data:
        raise ImageError("The file is empty.")
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!")) and b"<svg" in data[:65536].lower()):
        raise ImageError("This is an SVG drawing, not a photograph; export it as PNG or JPEG.")
    if start.startswith(b"%pdf"):
        raise ImageError("This is a PDF document, not a photograph; export the page as PNG or JPEG.")
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis"):
        if data[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"):
            raise ImageError("HEIC photographs are not read here; save the picture as JPEG.")
        raise ImageError("This is a video, not a photograph; use the video command.")
    # Pictures hold null bytes in their first kilobyte; text does not.
    if b"\0" not in data[:1024] and not data.startswith((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"GIF8", b"BM")):
        try:
            data[:1024].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < min(len(data), 1024):  # not merely a character cut in half at the end
                return
        raise ImageError("This is a text file, not a photograph, whatever its name says.")


def _decode(data: bytes, name: str) -> Photo:
    from PIL import Image, UnidentifiedImageError

    size = _webp_size(data)
    if size is not None:
        _check_size(*size)
    Image.init()  # registers all readers; AVIF's is there from Pillow 11.3 on
    formats = [kind for kind in FORMATS if kind in Image.OPEN]
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_size(*image.size)
            notes = _describe(image, name)
            image.load()
            upright, turned = _turn(image)
            rgb = _to_rgb(upright)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            "This is not a picture in a format that is read here (JPEG, PNG, GIF, WebP, BMP, TIFF, PPM, AVIF), "
            "or its beginning is damaged."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large("more pixels than any photograph")) from error
    except MemoryError as error:
        raise ImageError("There is not enough memory to decode this picture; reduce it first.") from error
    except Exception as error:  # Pillow's readers raise a dozen kinds of errors on damaged bytes
        raise ImageError("The picture is damaged or cut short.") from error
    rgb.setflags(write=False)
    return Photo(rgb, notes + turned)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError("The picture is damaged: it claims to have no pixels.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(_too_large(f"{width:,}×{height:,} pixels"))


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a WebP header; None for other files. Pillow reserves memory for all pixels on opening one."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def _too_large(size: str) -> str:
    return (
        f"The picture claims {size}; at most {MAX_PIXELS // 10**6} million with sides up to {MAX_SIDE:,} are decoded. "
        "Reduce it first."
    )


def _describe(image: Image, name: str) -> tuple[str, ...]:
    notes = []
    kind = image.format or ""
    suffix = Path(name).suffix.lower()
    if suffix and kind in _SUFFIXES_OF and suffix not in _SUFFIXES_OF[kind]:
        notes.append(f"named {suffix}, but a {kind} file")
    try:
        several = bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged; the first may be whole
        several = True
    if several and kind == "TIFF":
        notes.append("several pages: the first is used")
    elif several and kind != "MPO":  # an MPO's further pictures are the second eye of a camera or a thumbnail
        notes.append("animated: the first frame is used")
    image.seek(0)
    return tuple(notes)


def _turn(image: Image) -> tuple[Image, tuple[str, ...]]:
    """Apply the rotation stored by the camera."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image), ()
    except Exception:  # damaged EXIF data raise many kinds of errors
        return image, ("its EXIF data are damaged: shown as stored",)


def _to_rgb(image: Image) -> npt.NDArray[np.uint8]:
    from PIL import Image as PillowImage

    if image.mode == "F" or image.mode.startswith("I"):
        grey = _deep_to_8_bit(np.asarray(image))
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        ground = PillowImage.new("RGB", image.size, _BACKGROUND)
        ground.paste(with_alpha, mask=with_alpha.getchannel("A"))
        image = ground
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _deep_to_8_bit(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Grey values of 16 or 32 bits or of floating point to 0…255, by the range they use."""
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float32))
    top = float(numbers.max())
    if values.dtype.kind == "f" and top <= 1:
        numbers = numbers * 255
    elif values.dtype == np.uint16 or top > 255:
        numbers = numbers / (257 if top <= 65535 else top / 255)
    return np.clip(np.rint(numbers), 0, 255).astype(np.uint8)
