"""Recognizes the supported image formats by content, and says why other files are rejected."""

from __future__ import annotations

from functools import cache
from typing import Final

from fer_core.errors import UnreadableImage

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
    "HEIF": (".heic", ".heif", ".hif"),
}
FORMATS: Final[tuple[str, ...]] = tuple(_SUFFIXES_OF)
"""Pillow's names of the supported formats; every further one would add attack surface."""
IMAGE_SUFFIXES: Final = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
"""File extensions of the supported formats, in lower case."""
PHOTO_SUFFIXES: Final = IMAGE_SUFFIXES | {".svg"}
"""Endings that make a file of a folder a photograph. An SVG is not read, but meant as a picture: the reason is said."""
VIDEO_SUFFIXES: Final = frozenset(
    (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".3gp", ".ogv")
)
"""File extensions by which videos are found in folders."""

_MAGIC: Final = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"P5", b"P6")
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))
_HEIF_BRANDS: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_HEIF_THREADS: Final = 2  # for one picture; several pictures are decoded side by side already


def looks_like_image(data: bytes) -> bool:
    """Return whether the first bytes are those of a supported image format."""
    return data.startswith(_MAGIC) or _kind_of_iso_media(data) in ("AVIF", "HEIF")


def refuse_other_files(data: bytes) -> None:
    """Raise an error that names what a file really is, if it is not an image.

    Raises:
        UnreadableImage: the file is empty, a drawing, a document, a video or text.
    """
    if not data:
        raise UnreadableImage("is empty")
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!")) and b"<svg" in data[:65536].lower()):
        raise UnreadableImage("is an SVG drawing, not a photo; export it as PNG or JPEG")
    if start.startswith(b"%pdf"):
        raise UnreadableImage("is a PDF document, not a photo; export the page as PNG or JPEG")
    if _kind_of_iso_media(data) == "video":
        raise UnreadableImage("is a video, not a photo; use the video command")
    # Pictures hold null bytes in their first kilobyte; text does not.
    if b"\0" not in data[:1024] and not data.startswith((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"GIF8", b"BM")):
        try:
            data[:1024].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < min(len(data), 1024):  # not merely a character cut in half at the end
                return
        raise UnreadableImage("is a text file, not a photo, whatever its name")


def pillow_formats(data: bytes) -> list[str]:
    """Return Pillow's readers to try on a file, all of them registered."""
    from PIL import Image

    _register_readers()
    kind = _kind_of_iso_media(data)
    # AVIF and HEIC share their container, and Pillow's AVIF reader would take some HEIC files for its own.
    wanted = [kind] if kind in ("AVIF", "HEIF") else [name for name in FORMATS if name not in ("AVIF", "HEIF")]
    return [name for name in wanted if name in Image.OPEN]  # MPO has no reader of its own: it is a JPEG at first


def named_wrongly(kind: str, suffix: str) -> bool:
    """Return whether a file of this format has the extension of another."""
    return bool(suffix) and kind in _SUFFIXES_OF and suffix not in _SUFFIXES_OF[kind]


@cache
def _register_readers() -> None:
    from PIL import Image
    from pillow_heif import register_heif_opener

    # Only the picture itself is wanted. libheif refuses pictures whose content is larger than their header declares.
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=_HEIF_THREADS)
    Image.init()


def _kind_of_iso_media(data: bytes) -> str | None:
    """Return "AVIF", "HEIF" or "video" for a file in the ISO base media format; None for all others."""
    if data[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(data[:4], "big"), 512)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    if data[8:12] in _AVIF_BRANDS or (data[8:12] in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return "AVIF"
    return "HEIF" if data[8:12] in _HEIF_BRANDS else "video"


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from a WebP header; None for other files. Pillow would allocate all pixels on opening one."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


_NO_LENGTH: Final = frozenset((0x01, *range(0xD0, 0xD8)))
"""JPEG markers without a length after them: TEM and the restart markers."""
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame, which tells width and height."""


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from the header of a gray or color JPEG; None for CMYK, odd headers and other formats."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            return (width, height) if data[at + 9] in (1, 3) else None
        if marker == 0xFF:
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
