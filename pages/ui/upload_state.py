"""What the Upload page remembers for a browser window."""

from __future__ import annotations

from typing import Final

import streamlit as st

from pages.ui.photo_cache import Box, Upload

_MARKED: Final = "fer.upload.marked"
_SENT: Final = "fer.upload.sent"


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


def sent() -> Upload | None:
    """The face another page sent here, until something else is looked at."""
    found = st.session_state.get(_SENT)
    return found if isinstance(found, Upload) else None


def keep_sent(upload: Upload | None) -> None:
    """Keep the face another page sent here, or drop it."""
    st.session_state[_SENT] = upload
