"""Explain a prediction: saliency maps, their sanity checks, and their share per region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.charts import deletion_insertion, region_bars
from fer_core.explanation import METHODS, RegionStudy, Saliency, SanityReport, region_masks, run_sanity_checks, shares
from fer_core.explanation.photo import landmarks_in_crop, overlay
from fer_core.explanation.regions import areas
from fer_core.formatting import SPLIT_NAMES, percent
from fer_core.photos import FacePrediction
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.background import Report, Stop, Task, background
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain, source_name
from pages.ui.upload.occlusion import occlude_manually
from pages.ui.upload.photo_cache import Model, saliency

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_FAST: Final = tuple(name for name, method in METHODS.items() if not method.slow)
_SLOW: Final = tuple(name for name, method in METHODS.items() if method.slow)
_SIDE: Final = 336  # pixels of an overlay


@dataclass(frozen=True, eq=False)
class Case:
    """A face, and the class to explain."""

    face: FacePrediction
    model: Model
    target: str

    @property
    def identity(self) -> tuple[object, ...]:
        """Identity for cached results."""
        return self.face.crop.tobytes(), self.model, self.target


def explain_face(face: FacePrediction, model: Model) -> None:
    """Draw the maps of a face, their tests, and the occlusion."""
    st.subheader("What the network relied on")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        target = st.selectbox(
            "Explain the class",
            face.labels,
            index=face.labels.index(face.label),
            format_func=lambda name: f"{name} (predicted)" if name == face.label else name,
            key=f"target-{face.label}",
            width=220,
            help="The maps show which pixels support this class.",
        )
        opacity = st.slider("Opacity of the map", 0, 100, 60, 5, format="%d%%", key="opacity", width=260)
    case = Case(face, model, target)
    with error_boundary("explaining the face"):
        maps = _maps(case, opacity / 100)
    method = _method(maps)
    if method is None:
        return
    left, right = st.columns(2, gap="large")
    with left, error_boundary("testing the map"):
        _belief(case, maps[method])
    with right, error_boundary("measuring the regions"):
        _regions(case, maps[method])
    with error_boundary("covering a part of the face"):
        st.fragment(occlude_manually)(face, model)


def _maps(case: Case, opacity: float) -> dict[str, Saliency]:
    """Draw the fast maps and a button for the slow ones; returns all computed maps."""
    maps = {name: saliency(case.face.crop, case.model, name, case.target) for name in _FAST}
    row = st.container(horizontal=True, gap="small")
    slow: dict[str, Saliency] | None = background(
        "slow-maps",
        case.identity,
        "Compute the slow methods",
        lambda: _slow_maps(case),
        doing="computing the slow maps",
        icon=":material/hourglass_top:",
        help=", ".join(METHODS[name].title for name in _SLOW),
    )
    maps |= slow or {}
    with row:
        for name in (name for name in METHODS if name in maps):
            _one_map(case.face.crop, maps[name], opacity)
    return maps


def _one_map(crop: npt.NDArray[np.uint8], found: Saliency, opacity: float) -> None:
    method = METHODS[found.method]
    with st.container(width=168, gap="xxsmall"):
        st.image(overlay(crop, found, opacity, _SIDE), width="stretch", alt=f"{method.title} for {found.label}")
        st.markdown(f"**{method.title}**")
        if found.note:
            st.warning(plain(found.note))
        st.caption(method.summary)


def _slow_maps(case: Case) -> Task:
    classifier = case.model.classifier

    def task(report: Report, stop: Stop) -> dict[str, Saliency]:
        from fer_core.explanation import explain

        maps = {}
        for number, name in enumerate(_SLOW):

            def progress(done: int, total: int, before: int = 100 * number) -> None:
                report(before + round(100 * done / total), 100 * len(_SLOW))

            maps[name] = explain(classifier, case.face.crop, name, case.target, on_progress=progress, should_stop=stop)
        return maps

    return task


def _method(maps: dict[str, Saliency]) -> str | None:
    """Draw the choice of the map to test; None if every map is empty."""
    usable = [name for name in METHODS if name in maps and maps[name].note is None]
    if not usable:
        st.info("The maps of this class are empty.", icon=":material/info:")
        return None
    return str(
        st.pills(
            "Map to test",
            usable,
            format_func=lambda name: METHODS[name].title,
            default="gradcam" if "gradcam" in usable else usable[0],
            required=True,
            key=f"method-{len(usable)}",
        )
    )


def _belief(case: Case, found: Saliency) -> None:
    st.markdown("#### Sanity checks")
    st.caption(
        "Deletes and inserts pixels in the order of the map and in random orders, compares the map with other methods, and "
        "randomizes the weights of the network: a faithful map then has to change."
    )

    def prepare() -> Task:
        classifier = case.model.classifier
        return lambda report, stop: run_sanity_checks(
            classifier, case.face.crop, found, on_progress=report, should_stop=stop
        )

    sanity: SanityReport | None = background(
        "belief",
        (*case.identity, found.method),
        f"Check the {METHODS[found.method].title} map",
        prepare,
        doing="checking the map",
        icon=":material/science:",
    )
    if sanity is None:
        return
    for sentence in sanity.summary():
        st.markdown(f"- {plain(sentence)}")
    if sanity.agreement:
        agreeing = ", ".join(f"{METHODS[name].title} {value:+.2f}" for name, value in sanity.agreement.items())
        st.markdown(f"- Agreement with other methods (rank correlation, 1 is perfect): {plain(agreeing)}.")
    chart(deletion_insertion(*sanity.curves(), case.target), key="belief-curves", height=330)


def _studied_split(dataset: FaceDataset | None) -> str:
    """Return the split to measure: validation if there is one."""
    counts = {} if dataset is None else dataset.counts()
    return next((split for split in ("valid", "test", "train") if counts.get(split)), "valid")


def _regions(case: Case, found: Saliency) -> None:
    st.markdown("#### Regions of the face")
    face = case.face
    places = landmarks_in_crop(face.face, face.square) if face.face is not None else None
    masks = region_masks(places)
    here, area = shares(found.positive, masks), areas(masks)
    if here is None:
        st.info("The map is empty.")
        return
    title = METHODS[found.method].title
    sentence = (
        f"Eyes and mouth get {percent(here['eyes'] + here['mouth'], 0)} of the {title} attribution on "
        f"{percent(area['eyes'] + area['mouth'], 0)} of the area"
    )
    chart(region_bars(here, area, sentence), key="region-bars", height=240)
    if places is None:
        st.caption("The face was marked by hand, so the regions are the average ones of FER2013 faces.")
    source = session.data_source()
    split = SPLIT_NAMES[_studied_split(cache.loaded_dataset(source))]

    def prepare() -> Task:
        from fer_core.explanation import study_regions

        dataset = cache.dataset(source)
        data_caption(dataset)
        indices = dataset.indices(_studied_split(dataset))
        classifier = case.model.classifier
        return lambda report, stop: study_regions(
            classifier, dataset, indices, found.method, on_progress=report, should_stop=stop
        )

    study: RegionStudy | None = background(
        "study",
        (case.model, found.method, source),
        f"Measure on the whole {split} split",
        prepare,
        doing="measuring the faces",
        icon=":material/groups:",
        help=f"Every {split} face of the data in use ({source_name(source)}), each explained for its predicted class.",
    )
    if study is not None:
        sentence = f"{source_name(source)}, {split} split: {study.sentence()}"
        chart(region_bars(study.mean, study.area, sentence, study.ci95), key="study-bars", height=240)
