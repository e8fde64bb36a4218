"""Photos at addresses such as ``s3://bucket/folder``, through fsspec; needs the extra ``cluster``.

Nothing is contacted but the address that was given, with the credentials that its own library finds (for S3: the environment
or ``~/.aws``).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from fer_core.errors import ClusterError, ImageError
from fer_core.formatting import display_safe
from fer_core.images import PHOTO_LIMITS, PHOTO_SUFFIXES
from fer_core.images.walk import Skipped, SkipReason, is_system_file

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_REFUSED: Final = ("AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "credentials")


def is_address(path: object) -> bool:
    """Return whether this is an address such as ``s3://bucket/key``, not a path."""
    scheme, separator, _ = str(path).partition("://")
    return bool(separator) and scheme.isalnum()


def list_photos(address: str) -> tuple[list[str], list[Skipped]]:
    """Return the addresses of the photos at or below an address, sorted, and what else is there.

    Raises:
        ClusterError: the library for this kind of address is not installed.
        ImageError: there is nothing, or it must not be read.
    """
    files, path = _file_system(address)
    try:
        found = [path] if files.isfile(path) else sorted(map(str, files.find(path)))
    except Exception as error:  # each library has its own
        raise ImageError(_refusal(address, error)) from error
    if not found:
        raise ImageError(f"There is no file at '{display_safe(address)}'. Check the name and its upper and lower case.")
    photos, skipped = [], []
    for name in found:
        suffix = posixpath.splitext(name)[1].lower()
        whole = str(files.unstrip_protocol(name))
        if suffix in PHOTO_SUFFIXES:
            photos.append(whole)
        elif not is_system_file(posixpath.basename(name)):
            reason: SkipReason = "files that are not images" if suffix else "files without a file extension"
            skipped.append(Skipped(whole, reason))
    return photos, skipped


def read_bytes(address: str) -> bytes:
    """Return the content of the file at an address.

    Raises:
        ClusterError: the library for this kind of address is not installed.
        ImageError: it cannot be read, or is too large.
    """
    files, path = _file_system(address)
    try:
        size = int(files.size(path) or 0)
        if size > PHOTO_LIMITS.max_bytes:
            raise ImageError(
                f"The file {display_safe(address)} is larger than the {PHOTO_LIMITS.max_bytes >> 20} MB allowed."
            )
        return bytes(files.cat_file(path))
    except ImageError:
        raise
    except Exception as error:  # each library has its own
        raise ImageError(_refusal(address, error)) from error


def _file_system(address: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of an address and the path in it.

    Raises:
        ClusterError: its library is not installed.
        ImageError: there is no such kind of address.
    """
    try:
        import fsspec

        found: tuple[Any, str] = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise ClusterError(
            f"'{display_safe(address)}' needs another library ({error}). For s3://, install the extra \"cluster\": "
            'pip install "fer-lab[cluster]".'
        ) from error
    except ValueError as error:
        raise ImageError(f"'{display_safe(address)}' is not an address that can be read ({error}).") from error
    return found


def _refusal(address: str, error: Exception) -> str:
    """Return a sentence on why an address cannot be read."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"There is no file or folder '{display_safe(address)}'."
    if isinstance(error, PermissionError) or any(word in reason for word in _REFUSED):
        return f"'{display_safe(address)}' must not be read with your credentials ({reason})."
    return f"'{display_safe(address)}' cannot be read ({reason})."
