"""What the Upload page remembers for a browser window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import streamlit as st

from pages.ui.upload.photo_cache import Box, Upload

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

_MARKED: Final = "fer.upload.marked"
_SENT: Final = "fer.upload.sent"
_BROUGHT: Final = "fer.upload.brought"
_PATCHES: Final = "fer.upload.patches"


def marked(digest: str) -> tuple[Box, ...]:
    """Faces marked by hand in the photograph with this content."""
    return tuple(st.session_state.get(_MARKED, {}).get(digest, ()))


def mark(digest: str, box: Box) -> None:
    """Mark a face by hand."""
    every = st.session_state.setdefault(_MARKED, {})
    if box not in every.get(digest, ()):
        every[digest] = (*every.get(digest, ()), box)


def unmark(digest: str) -> None:
    """Forget the faces marked in a photograph."""
    st.session_state.get(_MARKED, {}).pop(digest, None)


def patch(key: str) -> Sequence[int] | None:
    """Left, top, width and height of the part of a face that was covered last; None where none was."""
    found: Sequence[int] | None = st.session_state.get(_PATCHES, {}).get(key)
    return found


def keep_patch(key: str, values: Sequence[int]) -> None:
    """Keep which part of a face is covered."""
    st.session_state.setdefault(_PATCHES, {})[key] = tuple(values)


def brought(files: Mapping[str, UploadedFile]) -> list[Upload]:
    """Files by Streamlit's id as uploads; each is made once, so that reruns need not read hundreds of files again."""
    kept: dict[str, Upload] = st.session_state.get(_BROUGHT, {})
    found = {id_: kept.get(id_) or Upload(_name(file), file.getvalue()) for id_, file in files.items()}
    st.session_state[_BROUGHT] = found
    return list(found.values())


def _name(file: UploadedFile) -> str:
    """The file's own name: browsers send a quotation mark in it as ``%22`` (HTML, multipart/form-data)."""
    return str(file.name).replace("%22", '"')


def sent() -> Upload | None:
    """The face another page sent here, until something else is looked at."""
    found = st.session_state.get(_SENT)
    return found if isinstance(found, Upload) else None


def keep_sent(upload: Upload | None) -> None:
    """Keep the face another page sent here, or drop it."""
    st.session_state[_SENT] = upload
