"""Sources of faces on the Upload page: photos, snapshot, folder or video."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.images import PHOTO_LIMITS, png
from fer_core.resources import asset
from pages.ui.model.question import question
from pages.ui.model.sensitivity import sensitivity_slider
from pages.ui.shell import cache, session
from pages.ui.shell.identity import machine, server_mode
from pages.ui.shell.navigation import UploadSource, requested_upload_source
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import state_of
from pages.ui.upload.photo_cache import Model, Upload
from pages.ui.upload.state import UploadState

_SOURCES: Final = {
    UploadSource.PHOTOS: ":material/add_photo_alternate: Photos",
    UploadSource.SNAPSHOT: ":material/photo_camera: Snapshot",
    UploadSource.FOLDER: ":material/folder: Folder",
    UploadSource.VIDEO: ":material/movie: Video",
}
SAMPLES: Final = {
    "five-portraits.jpg": "Five portraits",
    "two-portraits.jpg": "Two portraits",
    "fallen-portrait.jpg": "A fallen portrait",
}
_AT_ONCE = 500  # files; use a folder for more


def choose_source() -> UploadSource:
    """Draw the choice of the source; a link may preselect it."""
    sources = _SOURCES
    if server_mode() != "local":  # nobody else's folders
        sources = {source: label for source, label in _SOURCES.items() if source != UploadSource.FOLDER}
    wanted = requested_upload_source()
    return one_of(
        "Source of the faces",
        sources,
        default=wanted if wanted in sources else UploadSource.PHOTOS,
        key="upload-source",
    )


def choose_photos(source: UploadSource) -> list[Upload]:
    """Draw the inputs of a source and return its files; a sample by default."""
    state = state_of(UploadState)
    face = session.sent_face()
    if face is not None:
        box = (0.0, 0.0, float(face.shape[1]), float(face.shape[0]))
        state.sent = Upload("face from the webcam.png", png(face, fast=True), (box,))
    if source == UploadSource.SNAPSHOT:
        state.sent = None
        taken = st.camera_input("Take a snapshot", help=f"The image stays on {machine()}.", width=520)
        return [Upload("snapshot.jpg", taken.getvalue())] if taken else []
    files = st.file_uploader(
        "Photos",
        accept_multiple_files=True,
        max_upload_size=PHOTO_LIMITS.max_bytes >> 20,  # MB; the browser rejects larger files before it sends them
        label_visibility="collapsed",
        help=f"JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC. They stay on {machine()} and are not saved to disk.",
    )
    uploads = state.uploads(files[:_AT_ONCE])
    if uploads:
        state.sent = None
        if len(files) > _AT_ONCE:
            st.info(f"Processing the first {_AT_ONCE} of {len(files):,} files. Use a folder for more.")
        return uploads
    if state.sent is not None:
        return [state.sent]
    name = st.segmented_control(
        "Or try a drawn sample",
        list(SAMPLES),
        format_func=SAMPLES.__getitem__,
        default="five-portraits.jpg",
        key="upload-sample",
    )
    if not name:
        return []
    return [Upload(name, asset("samples", name).read_bytes())]


def model_or_none() -> Model | None:
    """Return the model in use; shows what to do without models."""
    name = cache.photo_model()
    if name is None:
        st.info("There is no trained model yet.", icon=":material/info:")
        st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
        return None
    return Model.of(name)


def choose_sensitivity(model: Model) -> None:
    """Draw what the model predicts, and its sensitivity."""
    about, slider = st.columns([3, 2], gap="large", vertical_alignment="center")
    with about:
        question(model.name)
    with slider:
        sensitivity_slider(model.name)
