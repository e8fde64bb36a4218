"""The parts of the Upload page: where photographs come from, what was refused, and the faces of the one shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import cv2
import streamlit as st

from fer_core.explanation.charts import probability_bars, selectable
from fer_core.faces.images import MAX_BYTES
from fer_core.formatting import display_safe, percent
from fer_core.photos import FacePrediction
from fer_core.photos.table import table_bytes
from fer_core.resources import asset
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain
from pages.ui.shell.navigation import UploadWay, asked_upload_way
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import state_of
from pages.ui.upload.photo_cache import Box, Looked, Model, Upload, encode, look
from pages.ui.upload.state import UploadState

_WAYS: Final = {
    UploadWay.PHOTOS: ":material/add_photo_alternate: Photographs",
    UploadWay.SNAPSHOT: ":material/photo_camera: Snapshot",
    UploadWay.FOLDER: ":material/folder: Folder",
    UploadWay.VIDEO: ":material/movie: Video",
}
SAMPLES: Final = {
    "five-portraits.jpg": "Five portraits",
    "two-portraits.jpg": "Two portraits",
    "fallen-portrait.jpg": "A fallen portrait",
}
_AT_ONCE = 500  # files; more belong into a folder
_LISTED = 6  # refused files named one by one
_FIELDS: Final = ("Left", "Top", "Width", "Height")


def choose_way() -> UploadWay:
    """Where the faces come from; a link may ask for one of the ways."""
    return one_of("Where are the faces?", _WAYS, default=asked_upload_way(), key="upload-way")


def choose_photos(way: UploadWay) -> list[Upload]:
    """The files brought; a sample where there is none yet."""
    state = state_of(UploadState)
    face = session.sent_face()
    if face is not None:
        box = (0.0, 0.0, float(face.shape[1]), float(face.shape[0]))
        state.sent = Upload("face from the webcam.png", encode(face, ".png"), (box,))
    if way == UploadWay.SNAPSHOT:
        state.sent = None
        taken = st.camera_input("Take a snapshot", help="The picture stays on this machine.", width=520)
        return [Upload("snapshot.jpg", taken.getvalue())] if taken else []
    files = st.file_uploader(
        "Photographs",
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES >> 20,  # MB; the browser refuses what is larger and sends nothing
        label_visibility="collapsed",
        help="JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF. They stay on this machine and are not kept on its disk.",
    )
    uploads = state.uploads(files[:_AT_ONCE])
    if uploads:
        state.sent = None
        if len(files) > _AT_ONCE:
            st.info(f"The first {_AT_ONCE} of {len(files):,} files are looked at. For more, use a folder.")
        return uploads
    if state.sent is not None:
        return [state.sent]
    name = st.segmented_control(
        "Or try a sample, drawn for this program",
        list(SAMPLES),
        format_func=SAMPLES.__getitem__,
        default="five-portraits.jpg",
        key="upload-sample",
    )
    if not name:
        return []
    return [Upload(name, asset("samples", name).read_bytes())]


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
                    "expressions": ", ".join(_short(face) for face in photo.result.faces),
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
        alt=f"{_faces(len(faces))}: " + ", ".join(f"{i} {_short(f)}" for i, f in enumerate(faces, 1)),
        width="stretch",
    )
    st.caption(
        plain(f"{name_of(photo)} · {result.width:,}×{result.height:,} pixels · {_faces(len(faces))}")
        + "".join(f" · {plain(note)}" for note in result.notes)
    )
    if faces:
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Picture",
                photo.png,
                "faces.png",
                "image/png",
                icon=":material/image:",
                on_click="ignore",
                key="download-png",
                help="The photograph in full size with boxes, numbers and names, as PNG.",
            )
            _table_downloads([photo], labels, model, "one")


def _table_downloads(photos: Sequence[Looked], labels: tuple[str, ...], model: Model, key: str) -> None:
    results = [photo.result for photo in photos]
    with st.container(horizontal=True, gap="small", width="content"):
        st.download_button(
            "csv",
            lambda: table_bytes(results, labels, model.name),
            "faces.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
            key=f"download-csv-{key}",
            help="One row for each face: box, label and seven probabilities.",
        )
        st.download_button(
            "json",
            lambda: json.dumps([result.to_dict() for result in results], indent=2, ensure_ascii=False),
            "faces.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
            key=f"download-json-{key}",
            help="What the command predict writes.",
        )


def choose_face(photo: Looked) -> int | None:
    """The number of the face to look into, from 0; None where there is none."""
    faces = photo.result.faces
    if not faces:
        return None
    if len(faces) == 1:
        return 0
    names = [f"{number} {_name(face)}" for number, face in enumerate(faces, start=1)]
    if len(faces) <= 8:
        chosen = st.pills(
            "Face",
            range(len(faces)),
            format_func=names.__getitem__,
            default=0,
            required=True,
            wrap=True,
            key=f"face-{photo.digest}",
        )
    else:
        chosen = st.selectbox("Face", range(len(faces)), format_func=names.__getitem__, key=f"face-{photo.digest}")
    return min(chosen or 0, len(faces) - 1)


def show_face(face: FacePrediction, number: int, model: Model) -> None:
    """What the network saw of a face, and what it says."""
    threshold = model.classifier.info.abstain_below
    if face.abstained:
        title = f"Face {number + 1}: not sure"
        words = f"The likeliest, {face.label}, has {percent(face.probability, 0)}; below {percent(threshold, 0)} this model does not commit itself."
    else:
        title = f"Face {number + 1}: {face.label}, {percent(face.probability, 0)}"
        words = ""
    chart(probability_bars(face.labels, face.probabilities, title), key="face-bars", height=270)
    if words:
        st.caption(plain(words))
    with st.container(horizontal=True, vertical_alignment="center"):
        enlarged = cv2.resize(face.crop, (192, 192), interpolation=cv2.INTER_NEAREST)
        st.image(enlarged, width=150, alt="The face as the network sees it")
        origin = (
            "It was marked by hand."
            if face.face is None
            else f"The detector is {percent(face.face.score, 0)} sure that this is a face."
        )
        st.caption(f"All the network sees: 48×48 grey pixels. {plain(origin)}", width=165)


def mark_by_hand(photo: Looked) -> None:
    """Mark a face with a rectangle dragged in the photograph, or with four numbers."""
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
        alt="The photograph, to drag a rectangle in",
    )
    with st.form(f"{key}-form", border=False):
        st.caption("Or give the rectangle in pixels:")
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
    if marked and st.button("Forget the marked faces", icon=":material/undo:"):
        state.unmark(photo.digest)
        st.rerun()


def selected_box(key: str) -> Box | None:
    """Left, top, width and height of the last rectangle selected in a plotly chart; None where there is none."""
    chosen: Any = session.widget_value(key)
    boxes = chosen.get("selection", {}).get("box", []) if chosen else []
    if not boxes:
        return None
    (x0, x1), (y0, y1) = sorted(boxes[-1]["x"][:2]), sorted(boxes[-1]["y"][:2])
    return float(x0), float(y0), float(x1 - x0), float(y1 - y0)


def _within(box: Box, width: int, height: int) -> Box:
    """A rectangle cut off at the picture's edges, at least a pixel large."""
    x, y = min(max(box[0], 0.0), width - 1.0), min(max(box[1], 0.0), height - 1.0)
    right, bottom = min(box[0] + box[2], float(width)), min(box[1] + box[3], float(height))
    return round(x, 1), round(y, 1), round(max(1.0, right - x), 1), round(max(1.0, bottom - y), 1)


def model_or_none() -> Model | None:
    """The model in use; says what to do where there is none."""
    name = cache.model_in_use()
    if name is None:
        st.info("There is no trained model yet.", icon=":material/info:")
        st.page_link("pages/train.py", label="Train one", icon=":material/model_training:")
        return None
    return Model.of(name)


def _name(face: FacePrediction) -> str:
    return "not sure" if face.abstained else face.label


def _short(face: FacePrediction) -> str:
    return f"{_name(face)} {percent(face.probability, 0)}"


def _faces(count: int) -> str:
    return "no face" if not count else "1 face" if count == 1 else f"{count:,} faces"


def no_face() -> None:
    """The detector found nothing."""
    st.info(
        "No face was found in this photograph. Faces should be upright, turned to the camera and not too small; "
        "or mark one here yourself.",
        icon=":material/search_off:",
    )


def no_photo(way: UploadWay) -> None:
    """Nothing is there to look at."""
    if way == UploadWay.SNAPSHOT:
        st.caption("Take a snapshot, and its faces are looked at here.")
    else:
        st.caption("Drop photographs above, or choose a sample.")
