"""What the Upload page remembers for a browser window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pages.ui.upload.photo_cache import Box, Upload

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


@dataclass
class UploadState:
    """The state of the Upload page.

    Attributes:
        sent: the face another page sent here, until something else is looked at.
        boxes: digest of a photograph -> faces marked in it by hand.
        patches: key of a face -> left, top, width and height of the part of it that was covered last.
        files: Streamlit's id of a file -> the upload made of it.
    """

    sent: Upload | None = None
    boxes: dict[str, tuple[Box, ...]] = field(default_factory=dict)
    patches: dict[str, tuple[int, ...]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def marked(self, digest: str) -> tuple[Box, ...]:
        """Faces marked by hand in the photograph with this content."""
        return self.boxes.get(digest, ())

    def mark(self, digest: str, box: Box) -> None:
        """Mark a face by hand."""
        if box not in self.marked(digest):
            self.boxes[digest] = (*self.marked(digest), box)

    def unmark(self, digest: str) -> None:
        """Forget the faces marked in a photograph."""
        self.boxes.pop(digest, None)

    def uploads(self, files: Sequence[UploadedFile]) -> list[Upload]:
        """Files as uploads; each is made once, so that reruns need not read hundreds of files again."""
        kept: Mapping[str, Upload] = self.files
        self.files = {f.file_id: kept.get(f.file_id) or Upload(_name(f), f.getvalue()) for f in files}
        return list(self.files.values())


def _name(file: UploadedFile) -> str:
    """The file's own name: browsers send a quotation mark in it as ``%22`` (HTML, multipart/form-data)."""
    return str(file.name).replace("%22", '"')
