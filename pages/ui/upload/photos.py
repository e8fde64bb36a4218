"""Photographs: what was refused, which one is shown, and the one shown with what can be saved of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from fer_core.formatting import display_safe
from fer_core.photos import predict_document
from fer_core.photos.table import table_bytes
from pages.ui.shell.formatting import plain
from pages.ui.shell.navigation import UploadWay
from pages.ui.shell.session import state_of
from pages.ui.upload.face import words_of
from pages.ui.upload.photo_cache import Looked, Model, Upload, look
from pages.ui.upload.state import UploadState

_LISTED = 6  # refused files named one by one


def look_at(uploads: Sequence[Upload], model: Model) -> list[Looked]:
    """Every photograph with its faces, with progress where there are many."""
    state = state_of(UploadState)
    bar = st.empty()
    looked = []
    for number, upload in enumerate(uploads):
        if len(uploads) > 3:
            bar.progress(number / len(uploads), text=f"Looking for faces: {number:,} of {len(uploads):,} photographs")
        looked.append(look(upload, model, state.marked(upload.digest)))
    bar.empty()
    return looked


def name_of(photo: Looked) -> str:
    """A file's name as text: what would steer the writing is shown as its code."""
    return display_safe(photo.upload.name)


def show_refused(photos: Sequence[Looked]) -> None:
    """One sentence for each file that was refused."""
    refused = [photo for photo in photos if photo.result.error]
    for photo in refused[:_LISTED]:
        st.error(f"**{plain(name_of(photo))}**: {plain(photo.result.error)}", icon=":material/block:")
    if len(refused) > _LISTED:
        with st.expander(f"{len(refused) - _LISTED:,} more files were refused"):
            st.dataframe(
                [{"file": name_of(photo), "why": photo.result.error} for photo in refused[_LISTED:]], hide_index=True
            )


def choose_photo(photos: Sequence[Looked], labels: tuple[str, ...], model: Model) -> Looked | None:
    """The photograph to show, of those that could be read, with a table of all when there are several."""
    good = [photo for photo in photos if not photo.result.error]
    if not good:
        return None
    if len(photos) == 1:
        return good[0]
    number = st.selectbox(
        "Photograph",
        range(len(good)),
        format_func=lambda i: f"{i + 1}. {name_of(good[i])} ({_faces(len(good[i].result.faces))})",
        key="upload-photo",
    )
    found = sum(len(photo.result.faces) for photo in good)
    with st.expander(f"All {len(good):,} photographs: {_faces(found)}", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "photograph": name_of(photo),
                    "faces": len(photo.result.faces),
                    "expressions": ", ".join(words_of(face) for face in photo.result.faces),
                    "note": photo.result.error or "; ".join(photo.result.notes),
                }
                for photo in photos
            ],
            hide_index=True,
        )
        _table_downloads(photos, labels, model, "all")
    return good[min(number or 0, len(good) - 1)]


def show_photo(photo: Looked, labels: tuple[str, ...], model: Model) -> None:
    """The photograph with its faces boxed and numbered, what is to be known about it, and the downloads."""
    result = photo.result
    faces = result.faces
    st.image(
        photo.annotated(),
        alt=f"{_faces(len(faces))}: " + ", ".join(f"{i} {words_of(f)}" for i, f in enumerate(faces, 1)),
        width="stretch",
    )
    st.caption(
        plain(f"{name_of(photo)} · {result.width:,}×{result.height:,} pixels · {_faces(len(faces))}")
        + "".join(f" · {plain(note)}" for note in result.notes)
    )
    if faces:
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Download annotated photo (PNG)",
                photo.png,
                "faces.png",
                "image/png",
                icon=":material/image:",
                on_click="ignore",
                key="download-png",
                help="The photo in full size with the box, number and label of each face.",
            )
            _table_downloads([photo], labels, model, "one")


def _table_downloads(photos: Sequence[Looked], labels: tuple[str, ...], model: Model, key: str) -> None:
    results = [photo.result for photo in photos]
    with st.container(horizontal=True, gap="small", width="content"):
        st.download_button(
            "Download table (CSV)",
            lambda: table_bytes(results, labels, model.name, model.sensitivity),
            "faces.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
            key=f"download-csv-{key}",
            help="One row per face: box, label and the probability of each class.",
        )
        st.download_button(
            "Download predictions (JSON)",
            lambda: json.dumps(predict_document(results, model.name, model.classifier), indent=2, ensure_ascii=False),
            "faces.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
            key=f"download-json-{key}",
            help="The same document as `fer-lab predict --json` prints.",
        )


def _faces(count: int) -> str:
    return "no face" if not count else "1 face" if count == 1 else f"{count:,} faces"


def no_photo(way: UploadWay) -> None:
    """Nothing is there to look at."""
    if way == UploadWay.SNAPSHOT:
        st.caption("Take a snapshot, and its faces are looked at here.")
    else:
        st.caption("Drop photographs above, or choose a sample.")
