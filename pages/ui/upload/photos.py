"""The photos of the Upload page: unreadable files, the selected photo, and its downloads."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from fer_core.errors import RateError
from fer_core.formatting import display_safe
from fer_core.photos import predict_document
from fer_core.photos.table import table_bytes
from pages.ui.shell.formatting import plain
from pages.ui.shell.navigation import UploadSource
from pages.ui.shell.session import state_of
from pages.ui.upload.face import words_of
from pages.ui.upload.photo_cache import AnalyzedPhoto, Model, Upload, analyze
from pages.ui.upload.state import UploadState

_LISTED = 6  # unreadable files shown one by one


def analyze_uploads(uploads: Sequence[Upload], model: Model) -> list[AnalyzedPhoto]:
    """Analyze all photos, with progress if there are many; on a shared server, as many as the user may now."""
    state = state_of(UploadState)
    bar = st.empty()
    analyzed = []
    for number, upload in enumerate(uploads):
        if len(uploads) > 3:
            bar.progress(number / len(uploads), text=f"Detecting faces: {number:,} of {len(uploads):,} photos")
        try:
            analyzed.append(analyze(upload, model, state.marked(upload.digest)))
        except RateError as error:
            st.warning(f"{plain(error)} {_waiting(len(uploads) - number)}", icon=":material/hourglass_top:")
            st.button("Go on with the others", icon=":material/refresh:", key="upload-go-on")
            break
    bar.empty()
    return analyzed


def _waiting(photos: int) -> str:
    return "This photo waits." if photos == 1 else f"{photos:,} photos wait."


def name_of(photo: AnalyzedPhoto) -> str:
    """Return the file name with control characters made visible."""
    return display_safe(photo.upload.name)


def show_refused(photos: Sequence[AnalyzedPhoto]) -> None:
    """Show one error per unreadable file."""
    refused = [photo for photo in photos if photo.result.error]
    for photo in refused[:_LISTED]:
        st.error(f"**{plain(name_of(photo))}**: {plain(photo.result.error)}", icon=":material/block:")
    if len(refused) > _LISTED:
        with st.expander(f"{len(refused) - _LISTED:,} more unreadable files"):
            st.dataframe(
                [{"file": name_of(photo), "why": photo.result.error} for photo in refused[_LISTED:]], hide_index=True
            )


def choose_photo(photos: Sequence[AnalyzedPhoto], labels: tuple[str, ...], model: Model) -> AnalyzedPhoto | None:
    """Draw the choice of a photo and a table of all of them; returns the selected one, or None."""
    good = [photo for photo in photos if not photo.result.error]
    if not good:
        return None
    if len(photos) == 1:
        return good[0]
    number = st.selectbox(
        "Photo",
        range(len(good)),
        format_func=lambda i: f"{i + 1}. {name_of(good[i])} ({_faces(len(good[i].result.faces))})",
        key="upload-photo",
    )
    found = sum(len(photo.result.faces) for photo in good)
    with st.expander(f"All {len(good):,} photos: {_faces(found)}", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "photo": name_of(photo),
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


def show_photo(photo: AnalyzedPhoto, labels: tuple[str, ...], model: Model) -> None:
    """Draw the annotated photo, its notes, and the downloads."""
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


def _table_downloads(photos: Sequence[AnalyzedPhoto], labels: tuple[str, ...], model: Model, key: str) -> None:
    results = [photo.result for photo in photos]
    classifier = model.classifier
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
            lambda: json.dumps(predict_document(results, model.name, classifier), indent=2, ensure_ascii=False),
            "faces.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
            key=f"download-json-{key}",
            help="The same document as `fer-lab predict --json` prints.",
        )


def _faces(count: int) -> str:
    return "no face" if not count else "1 face" if count == 1 else f"{count:,} faces"


def no_photo(source: UploadSource) -> None:
    """Draw a hint if there are no photos."""
    if source == UploadSource.SNAPSHOT:
        st.caption("Take a snapshot to see its faces here.")
    else:
        st.caption("Drop photos above, or choose a sample.")
