"""Save uploaded files under the workspace."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import BinaryIO

from fer_core.workspace import Workspace, atomic_write
from pages.ui.shell.limits import limits


def safe_name(name: str) -> str:
    """Return the last part of ``name`` with only letters, digits, dots, dashes and underscores; at most 80 characters."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = last.rpartition(".")
    if not dot:
        stem, ending = last, ""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:60] or "upload"
    ending = re.sub(r"[^A-Za-z0-9]+", "", ending)[:16]
    return f"{stem}.{ending}" if ending else stem


def save_upload(file: BinaryIO, name: str, workspace: Workspace) -> Path:
    """Write an uploaded file into the workspace atomically; the same content is stored, and counted, once.

    Raises:
        LimitError: on a shared server, the user's space is full, or the file is too large; nothing was written.
        WorkspaceError: the workspace is not writable.
    """
    folder = workspace.uploads
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    size = file.tell()
    plain = Path(safe_name(name))
    path = folder / f"{plain.stem}-{digest.hexdigest()[:8]}{plain.suffix}"
    if not path.is_file():
        limits().require_upload(size)
        file.seek(0)
        with atomic_write(path) as target:
            shutil.copyfileobj(file, target, 1 << 20)
    return path
