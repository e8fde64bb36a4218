"""The dialog of a face: prediction, votes, duplicates, most similar faces, and Grad-CAM."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core import charts
from fer_core.classes import ClassList
from fer_core.data.duplicates import pixel_groups
from pages.ui.components.gallery import Group, gallery
from pages.ui.review.face import enlarged_face, people_said, votes_for
from pages.ui.review.review import Review, mark_words
from pages.ui.review.rows import face_tile
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_QUICK = 6000  # training faces; features of more are computed on request
_WAYS_WITHOUT_MODEL: Final = {"face": "Face", "pixels": "Pixels"}
_SOURCES: Final = {**_WAYS_WITHOUT_MODEL, "gradcam": "Grad-CAM"}


@st.cache_resource(max_entries=3, show_spinner=False)
def copies_of(key: str, _dataset: FaceDataset) -> npt.NDArray[np.int64]:
    """Return the number of each face's group of exact duplicates; computed once per data set."""
    return pixel_groups(_dataset.images)


class _FeatureShelf:
    """The last training features by weights and data, shared by all browser windows; 30 MB for FER2013 and seed."""

    _SIZE = 3

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], npt.NDArray[np.float32]] = OrderedDict()

    def get(self, key: tuple[str, str]) -> npt.NDArray[np.float32] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[str, str], features: npt.NDArray[np.float32]) -> None:
        with self._lock:
            self._kept[key] = features
            self._kept.move_to_end(key)
            while len(self._kept) > self._SIZE:
                self._kept.popitem(last=False)


@st.cache_resource(show_spinner=False)
def _features() -> _FeatureShelf:
    return _FeatureShelf()


@st.dialog("One face", width="large")
def face_dialog(
    review: Review,
    index: int,
    model: str | None = None,
    classes: ClassList | None = None,
    probabilities: npt.NDArray[np.float32] | None = None,
) -> None:
    """Draw a face and, with a model, its prediction.

    Args:
        review: the data set and its marks.
        index: index in the data set.
        model: shipped name or run id.
        classes: classes of the probabilities.
        probabilities: (C,).
    """
    dataset = review.dataset
    with error_boundary("showing the face"):
        left, right = st.columns([2, 3], gap="medium")
        with left:
            _picture(review, index, model)
        with right:
            if classes is not None and probabilities is not None:
                top = int(probabilities.argmax())
                label, predicted = dataset.label_name(index), classes[top]
                finding = (
                    f"The model agrees with the label: {label}"
                    if predicted == label
                    else f"Labeled {label}, misclassified as {predicted}"
                )
                chart(
                    charts.probability_bars(classes, probabilities, finding, digits=1),
                    key="face-probabilities",
                    height=290,
                )
            _votes(dataset, index)
        _copies(dataset, index)
    if model is not None:
        with error_boundary("finding similar training faces"):
            _neighbors(dataset, index, model)


def _picture(review: Review, index: int, model: str | None) -> None:
    dataset = review.dataset
    label = dataset.label_name(index)
    way = one_of("Show", _SOURCES if model else _WAYS_WITHOUT_MODEL, key="face-way")
    picture, note = dataset.images[index], None
    if way == "gradcam" and model:
        from fer_core.explanation import explain
        from fer_core.explanation.photo import overlay

        with st.spinner("Explaining…"):
            saliency = explain(cache.classifier(model), picture, "gradcam")
        note = saliency.note or f"Bright regions support the prediction {plain(saliency.label)}."
        if not saliency.note:
            picture = overlay(picture, saliency)
    enlarged_face(picture, label, smooth=way != "pixels")
    if note:
        st.caption(note)
    marked = f" · {plain(mark_words(review.marks[index]))}" if index in review.marks else ""
    st.markdown(f"**{plain(label)}** · {dataset.split[index]} split{marked}")
    st.code(str(dataset.ids[index]), language=None, wrap_lines=True)


def _votes(dataset: FaceDataset, index: int) -> None:
    votes = votes_for(dataset, index)
    if not votes:
        return
    people = ", ".join(f"{n} {'not a face' if name == 'NF' else plain(name)}" for name, n in votes.items())
    st.markdown(f"**{people_said(dataset, str(sum(votes.values())))}:** {people}")


def _copies(dataset: FaceDataset, index: int) -> None:
    groups = copies_of(dataset.cache_key, dataset)
    others = [int(i) for i in np.flatnonzero(groups == groups[index]) if i != index]
    if not others:
        st.caption("This image has no duplicates.")
        return
    tiles = [face_tile(dataset, i, f"{dataset.split[i]}: {dataset.label_name(int(i))}") for i in others[:12]]
    note = f"{len(others):,} images with the same pixels"
    gallery([Group(tiles, "Duplicates", note)], key=f"duplicates-{index}", size=72)


def _neighbors(dataset: FaceDataset, index: int, model: str) -> None:
    from fer_core.evaluation.cache import nearest_training_faces, training_features
    from fer_core.inference import read_info, resolve_model
    from fer_core.inference.engines import weights_key

    count = dataset.counts()["train"]
    if not count:
        st.caption("The data have no training faces to compare with.")
        return
    shelf = _features()
    path = resolve_model(model, session.workspace())
    key = (weights_key(path, read_info(path)), dataset.cache_key)
    features = shelf.get(key)
    if features is None:
        asked = count <= _QUICK or st.button(
            "Find the most similar training faces",
            icon=":material/image_search:",
            help=f"Computes the features of {count:,} training faces once and caches them.",
        )
        if not asked:
            return
        place = st.empty()

        def progress(done: int, total: int) -> None:
            place.progress(done / total, "Computing features of the training faces…")

        features = training_features(model, dataset, workspace=session.workspace(), on_progress=progress)
        place.empty()
        shelf.put(key, features)
    found = nearest_training_faces(cache.classifier(model), dataset.images[index], dataset, features)
    tiles = [
        face_tile(dataset, int(i), f"{dataset.label_name(int(i))} · {similarity:.2f}")
        for i, similarity in zip(found.positions, found.similarity, strict=True)
    ]
    note = "by cosine similarity of penultimate features, with their labels"
    gallery([Group(tiles, "Most similar training faces", note)], key=f"near-{index}", size=72)
