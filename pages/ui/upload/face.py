"""One face of a photograph: choosing it, and what the network says of it."""

from __future__ import annotations

import streamlit as st

from fer_core.charts import probability_bars
from fer_core.formatting import percent
from fer_core.images import enlarge
from fer_core.photos import FacePrediction
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain
from pages.ui.upload.photo_cache import Looked, Model


def choose_face(photo: Looked) -> int | None:
    """The number of the face to look into, from 0; None where there is none."""
    faces = photo.result.faces
    if not faces:
        return None
    if len(faces) == 1:
        return 0
    names = [plain(f"{number} {_name(face)}") for number, face in enumerate(faces, start=1)]
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
    threshold = model.classifier.abstain_below
    if face.abstained:
        title = f"Face {number + 1}: not sure"
        words = f"The likeliest, {face.label}, has {percent(face.probability, 0)}; below {percent(threshold, 0)} this model does not commit itself."
    else:
        title = f"Face {number + 1}: {face.label}, {percent(face.probability, 0)}"
        words = ""
    chart(probability_bars(face.classes, face.probabilities, title), key="face-bars", height=270)
    if words:
        st.caption(plain(words))
    with st.container(horizontal=True, vertical_alignment="center"):
        enlarged = enlarge(face.crop, 192, smooth=False)
        st.image(enlarged, width=150, alt="The face as the network sees it")
        origin = (
            "It was marked by hand."
            if face.face is None
            else f"The detector is {percent(face.face.score, 0)} sure that this is a face."
        )
        st.caption(f"All the network sees: 48×48 grey pixels. {plain(origin)}", width=165)


def _name(face: FacePrediction) -> str:
    return "not sure" if face.abstained else face.label


def words_of(face: FacePrediction) -> str:
    """``happy 93%``."""
    return f"{_name(face)} {percent(face.probability, 0)}"


def no_face() -> None:
    """The detector found nothing."""
    st.info(
        "No face was found in this photograph. Faces should be upright, turned to the camera and not too small; "
        "or mark one here yourself.",
        icon=":material/search_off:",
    )
