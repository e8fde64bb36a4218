"""The selected face of a photo and its prediction."""

from __future__ import annotations

import streamlit as st

from fer_core.charts import probability_bars
from fer_core.faces.detector import DOUBTFUL_SCORE
from fer_core.formatting import percent
from fer_core.images import enlarge
from fer_core.photos import FacePrediction
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain
from pages.ui.upload.photo_cache import AnalyzedPhoto, Model


def choose_face(photo: AnalyzedPhoto) -> int | None:
    """Draw the choice of a face; returns its index, or None without faces."""
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
    """Draw the crop of a face and its probabilities."""
    threshold = model.classifier.abstain_below
    if face.abstained:
        title = f"Face {number + 1}: not sure"
        words = f"The top class, {face.label}, has {percent(face.probability, 0)}; below {percent(threshold, 0)} this model abstains."
        if face.face and face.face.is_doubtful:
            words = f"The face detector is only {percent(face.face.score, 0)} confident that this is a face; below {percent(DOUBTFUL_SCORE, 0)} the prediction is not sure."
    else:
        title = f"Face {number + 1}: {face.label}, {percent(face.probability, 0)}"
        words = ""
    chart(probability_bars(face.classes, face.probabilities, title), key="face-bars", height=270)
    if words:
        st.caption(plain(words))
    with st.container(horizontal=True, vertical_alignment="center"):
        enlarged = enlarge(face.crop, 192, smooth=False)
        st.image(enlarged, width=150, alt="The face as the network sees it")
        origin = "Marked by hand." if face.face is None else f"Face detector: {percent(face.face.score, 0)} confident."
        st.caption(f"Network input: 48×48 gray pixels. {plain(origin)}", width=165)


def _name(face: FacePrediction) -> str:
    return "not sure" if face.abstained else face.label


def words_of(face: FacePrediction) -> str:
    """Return label and probability: ``happy 93%``."""
    return f"{_name(face)} {percent(face.probability, 0)}"


def no_face() -> None:
    """Say that the detector found no face."""
    st.info(
        "No face was detected in this photo. Faces should be frontal and not too small. You can also mark one "
        "yourself below.",
        icon=":material/search_off:",
    )
