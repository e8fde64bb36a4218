"""Failures of writing a file, told apart by their error number."""

from __future__ import annotations

from pathlib import Path

from fer_core.errors import WorkspaceError
from fer_core.workspace import write_advice


def is_write_failure(error: BaseException) -> bool:
    """Whether an error comes from the file system and not from the data that were to be written."""
    return write_advice(error) is not None


def write_error(path: Path, error: BaseException) -> WorkspaceError:
    """Error for a file that could not be written, with advice that fits the cause."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
    advice = write_advice(error)
    if advice is None:
        return WorkspaceError(
            f"{path} could not be written: {text}. The disk is not the cause; please report this with the source file."
        )
    return WorkspaceError(f"{path} could not be written: {text}. {advice}")
