"""The photo view of the Upload page: photos, the selected face, and its explanation."""

from __future__ import annotations

import streamlit as st

from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import UploadSource
from pages.ui.upload.explain import explain_face
from pages.ui.upload.face import choose_face, no_face, show_face
from pages.ui.upload.manual_box import mark_manually
from pages.ui.upload.photo_cache import AnalyzedPhoto, Model
from pages.ui.upload.photos import analyze_uploads, choose_photo, no_photo, show_photo, show_refused
from pages.ui.upload.source import choose_photos


def photographs(source: UploadSource, model: Model) -> None:
    """Detect faces in the photos, show one photo, and explain one of its faces."""
    photo, face = None, None
    with error_boundary("detecting faces"):
        photos = analyze_uploads(choose_photos(source), model)
        show_refused(photos)
        photo = choose_photo(photos, model.classifier.labels, model)
        if not photos:
            no_photo(source)
    if photo is not None:
        picture, about = st.columns([3, 2], gap="large")
        with picture, error_boundary("showing the photo"):
            _photo(photo, model)
        with about, error_boundary("showing the face"):
            number = choose_face(photo)
            if number is not None:
                face = photo.result.faces[number]
                show_face(face, number, model)
    if face is not None:
        explain_face(face, model)
    session.sent_face_shown()


def _photo(photo: AnalyzedPhoto, model: Model) -> None:
    if not photo.result.faces:
        no_face()
        mark_manually(photo)
        return
    show_photo(photo, model.classifier.labels, model)
    more = st.expander("Face missing? Mark it yourself", icon=":material/crop_free:", key="mark", on_change="rerun")
    if more.open:
        with more:
            mark_manually(photo)
