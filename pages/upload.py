"""Upload: photographs in; every face with its probabilities, what the network looked at, and whether to believe it."""

import streamlit as st

from pages.ui.shell import session
from pages.ui.shell.errors import calm
from pages.ui.shell.navigation import UploadWay, through_app
from pages.ui.upload.explain import explain_face
from pages.ui.upload.folder import folder
from pages.ui.upload.photos import (
    choose_face,
    choose_photo,
    choose_photos,
    choose_way,
    look_at,
    mark_by_hand,
    model_or_none,
    no_face,
    no_photo,
    show_face,
    show_photo,
    show_refused,
)
from pages.ui.upload.video import video

through_app()
st.title("Upload")
st.write(
    "Drop in photographs to see how the network reads every face, which pixels it went by, and how far to trust that."
)

way = choose_way()
model = None
with calm("loading the model"):
    model = model_or_none()

if model is not None and way == UploadWay.FOLDER:
    with calm("working on the folder"):
        folder(model)
elif model is not None and way == UploadWay.VIDEO:
    with calm("working on the video"):
        video(model)
elif model is not None:
    photo, face = None, None
    with calm("looking for faces"):
        photos = look_at(choose_photos(way), model)
        show_refused(photos)
        photo = choose_photo(photos, model.classifier.labels, model)
        if not photos:
            no_photo(way)
    if photo is not None:
        picture, about = st.columns([3, 2], gap="large")
        with picture, calm("showing the photograph"):
            if not photo.result.faces:
                no_face()
                mark_by_hand(photo)
            else:
                show_photo(photo, model.classifier.labels, model)
                more = st.expander(
                    "A face is missing? Mark it yourself", icon=":material/crop_free:", key="mark", on_change="rerun"
                )
                if more.open:
                    with more:
                        mark_by_hand(photo)
        with about, calm("showing the face"):
            number = choose_face(photo)
            if number is not None:
                face = photo.result.faces[number]
                show_face(face, number, model)
    if face is not None:
        explain_face(face, model)
    session.sent_face_shown()
