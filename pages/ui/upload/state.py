"""State of the Upload page in a browser window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pages.ui.upload.photo_cache import Box, Upload

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


@dataclass
class UploadState:
    """State of the Upload page.

    Attributes:
        sent: the face that another page sent, until the user selects something else.
        boxes: digest of a photo -> faces marked by hand.
        patches: key of a face -> left, top, width and height of its occluded patch.
        files: Streamlit's file id -> upload.
    """

    sent: Upload | None = None
    boxes: dict[str, tuple[Box, ...]] = field(default_factory=dict)
    patches: dict[str, tuple[int, ...]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def marked(self, digest: str) -> tuple[Box, ...]:
        """Faces marked by hand in the photo with this digest."""
        return self.boxes.get(digest, ())

    def mark(self, digest: str, box: Box) -> None:
        """Mark a face by hand."""
        if box not in self.marked(digest):
            self.boxes[digest] = (*self.marked(digest), box)

    def unmark(self, digest: str) -> None:
        """Remove the faces marked in a photo."""
        self.boxes.pop(digest, None)

    def uploads(self, files: Sequence[UploadedFile]) -> list[Upload]:
        """Convert files to uploads once, so that reruns do not read hundreds of files again."""
        kept: Mapping[str, Upload] = self.files
        self.files = {f.file_id: kept.get(f.file_id) or Upload(_name(f), f.getvalue()) for f in files}
        return list(self.files.values())


def _name(file: UploadedFile) -> str:
    """Return the original file name: browsers encode a quotation mark in it as ``%22`` (HTML, multipart/form-data)."""
    return str(file.name).replace("%22", '"')
