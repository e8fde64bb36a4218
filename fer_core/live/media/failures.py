"""Failures of writing a file, told apart by their error number."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from fer_core.errors import WorkspaceError

_ADVICE: Final[dict[int, str]] = {
    errno.ENOSPC: "Free some space and try again.",
    errno.EDQUOT: "Free some space and try again.",
    errno.EFBIG: "The file is too large for this disk; choose a folder on another one.",
    errno.EACCES: "Choose a folder you may write to.",
    errno.EPERM: "Choose a folder you may write to.",
    errno.EROFS: "Choose a folder you may write to.",
    errno.ENOENT: "Choose an existing folder.",
    errno.ENOTDIR: "Choose an existing folder.",
    errno.EISDIR: "Choose a file name, not a folder.",
    errno.ENAMETOOLONG: "Choose a shorter file name.",
    errno.EIO: "Check the disk, or choose a folder on another one.",
}


def is_write_failure(error: BaseException) -> bool:
    """Whether an error comes from the file system and not from the data that were to be written."""
    return getattr(error, "errno", None) in _ADVICE


def write_error(path: Path, error: BaseException) -> WorkspaceError:
    """Error for a file that could not be written, with advice that fits the cause."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
    advice = _ADVICE.get(getattr(error, "errno", None) or 0)
    if advice is None:
        return WorkspaceError(
            f"{path} could not be written: {text}. The disk is not the cause; please report this with the source file."
        )
    return WorkspaceError(f"{path} could not be written: {text}. {advice}")
