"""Mark a missed face: drag a rectangle in the photo, or enter four numbers."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from fer_core.charts import selectable
from pages.ui.shell import session
from pages.ui.shell.session import state_of
from pages.ui.upload.photo_cache import AnalyzedPhoto, Box
from pages.ui.upload.state import UploadState

_FIELDS: Final = ("Left", "Top", "Width", "Height")


def mark_manually(photo: AnalyzedPhoto) -> None:
    """Draw the photo to drag a rectangle in, and four number inputs."""
    result = photo.result
    key = f"mark-{photo.digest[:12]}"
    state = state_of(UploadState)
    marked = state.marked(photo.digest)

    def dragged() -> None:
        box = selected_box(key)
        if box:
            state.mark(photo.digest, _within(box, result.width, result.height))

    st.caption("Drag a rectangle around the face, from the forehead to below the chin.")
    st.plotly_chart(
        selectable(photo.preview, result.width, result.height).update_layout(
            height=min(420, max(160, round(680 * result.height / result.width)))
        ),
        key=key,
        on_select=dragged,
        selection_mode="box",
        config={"displayModeBar": False},
        alt="The photo, to drag a rectangle in",
    )
    with st.form(f"{key}-form", border=False):
        st.caption("Or enter the rectangle in pixels:")
        side = min(result.width, result.height)
        preset = (result.width - side // 2) // 2, (result.height - side // 2) // 2, max(1, side // 2), max(1, side // 2)
        highest = (result.width - 1, result.height - 1, result.width, result.height)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            box = [
                st.number_input(name, min_value=int(i > 1), max_value=max(1, highest[i]), value=preset[i], width=130)
                for i, name in enumerate(_FIELDS)
            ]
            if st.form_submit_button("Mark", icon=":material/crop_free:"):
                x, y, w, h = (float(value) for value in box)
                state.mark(photo.digest, (x, y, w, h))
                st.rerun()
    if marked and st.button("Remove the marked faces", icon=":material/undo:"):
        state.unmark(photo.digest)
        st.rerun()


def selected_box(key: str) -> Box | None:
    """Return left, top, width and height of the last rectangle selected in a Plotly chart, or None."""
    chosen: Any = session.widget_value(key)
    boxes = chosen.get("selection", {}).get("box", []) if chosen else []
    if not boxes:
        return None
    (x0, x1), (y0, y1) = sorted(boxes[-1]["x"][:2]), sorted(boxes[-1]["y"][:2])
    return float(x0), float(y0), float(x1 - x0), float(y1 - y0)


def _within(box: Box, width: int, height: int) -> Box:
    """Clip a rectangle to the image, at least one pixel large."""
    x, y = min(max(box[0], 0.0), width - 1.0), min(max(box[1], 0.0), height - 1.0)
    right, bottom = min(box[0] + box[2], float(width)), min(box[1] + box[3], float(height))
    return round(x, 1), round(y, 1), round(max(1.0, right - x), 1), round(max(1.0, bottom - y), 1)
