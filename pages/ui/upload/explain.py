"""Why the network said so: maps of several methods, whether to believe them, where they lie, and covering by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.explanation import METHODS, Belief, RegionStudy, Saliency, cover, examine, region_masks, shares
from fer_core.explanation.charts import belief_curves, probability_bars, region_bars, selectable
from fer_core.explanation.photo import landmarks_in_crop, overlay
from fer_core.explanation.regions import areas
from fer_core.formatting import percent
from fer_core.photos import FacePrediction
from fer_core.preprocess import FACE_SIZE
from pages.ui.shell import cache, session
from pages.ui.shell.background import Report, Stop, Task, background
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import calm
from pages.ui.shell.formatting import plain, source_name
from pages.ui.upload.photo_cache import Model, encode, saliency
from pages.ui.upload.photos import selected_box
from pages.ui.upload.state import UploadState

_FAST: Final = tuple(name for name, method in METHODS.items() if not method.slow)
_SLOW: Final = tuple(name for name, method in METHODS.items() if method.slow)
_SIDE: Final = 336  # pixels of an overlay
_COVERED: Final = "cover"
_MOUTH: Final = (14, 32, 20, 10)  # left, top, width, height in a face framed as FER2013 frames it


@dataclass(frozen=True, eq=False)
class Case:
    """One face with the question asked about it."""

    face: FacePrediction
    model: Model
    target: str

    @property
    def identity(self) -> tuple[object, ...]:
        """What results belong to."""
        return self.face.crop.tobytes(), self.model, self.target


def explain_face(face: FacePrediction, model: Model) -> None:
    """Everything about one face, from the maps down to covering it by hand."""
    st.subheader("What the network looked at")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        target = st.selectbox(
            "Explain the class",
            face.labels,
            index=face.labels.index(face.label),
            format_func=lambda name: f"{name} (predicted)" if name == face.label else name,
            key=f"target-{face.label}",
            width=220,
            help="The maps answer: which pixels speak for this class?",
        )
        opacity = st.slider("Opacity of the map", 0, 100, 60, 5, format="%d %%", key="opacity", width=260)
    case = Case(face, model, target)
    with calm("explaining the face"):
        maps = _maps(case, opacity / 100)
    method = _method(maps)
    if method is None:
        return
    left, right = st.columns(2, gap="large")
    with left, calm("testing the map"):
        _belief(case, maps[method])
    with right, calm("measuring the regions"):
        _regions(case, maps[method])
    with calm("covering a part of the face"):
        st.fragment(_cover)(face, model)


# ------------------------------------------------------------------------------------------------ maps side by side


def _maps(case: Case, opacity: float) -> dict[str, Saliency]:
    """The fast maps at once, the slow ones behind a button, side by side."""
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
    """Which map the tests below are about; None where every map is empty."""
    usable = [name for name in METHODS if name in maps and maps[name].note is None]
    if not usable:
        st.info("There is no map to test for this class.", icon=":material/info:")
        return None
    return str(
        st.pills(
            "Test the map of",
            usable,
            format_func=lambda name: METHODS[name].title,
            default="gradcam" if "gradcam" in usable else usable[0],
            required=True,
            key=f"method-{len(usable)}",
        )
    )


# ------------------------------------------------------------------------------------------------ belief


def _belief(case: Case, found: Saliency) -> None:
    st.markdown("#### Is it to be believed?")
    st.caption(
        "Pixels the map calls important are taken away and brought in, against random orders; other methods are asked; "
        "and the network's weights are scrambled, after which an honest map must look different."
    )

    def prepare() -> Task:
        classifier = case.model.classifier
        return lambda report, stop: examine(classifier, case.face.crop, found, on_progress=report, should_stop=stop)

    belief: Belief | None = background(
        "belief",
        (*case.identity, found.method),
        f"Test the {METHODS[found.method].title} map",
        prepare,
        doing="testing the map",
        icon=":material/science:",
    )
    if belief is None:
        return
    for sentence in belief.sentences():
        st.markdown(f"- {plain(sentence)}")
    if belief.agreement:
        agreeing = ", ".join(f"{METHODS[name].title} {value:+.2f}" for name, value in belief.agreement.items())
        st.markdown(f"- Agreement with other methods (rank correlation, 1 is perfect): {plain(agreeing)}.")
    chart(belief_curves(belief, case.target), key="belief-curves", height=330)


# ------------------------------------------------------------------------------------------------ regions


def _regions(case: Case, found: Saliency) -> None:
    st.markdown("#### Eyes and mouth?")
    face = case.face
    places = landmarks_in_crop(face.face, face.square) if face.face is not None else None
    masks = region_masks(places)
    here, area = shares(found.positive, masks), areas(masks)
    if here is None:
        st.info("The map is empty, so it has no shares.")
        return
    title = METHODS[found.method].title
    sentence = (
        f"On this face eyes and mouth hold {percent(here['eyes'] + here['mouth'], 0)} of the {title} attribution on "
        f"{percent(area['eyes'] + area['mouth'], 0)} of the area"
    )
    chart(region_bars(here, area, sentence), key="region-bars", height=240)
    if places is None:
        st.caption("The face was marked by hand, so the regions lie where FER2013's faces have them.")
    source = session.data_source()

    def prepare() -> Task:
        from fer_core.explanation import study_regions

        dataset = cache.dataset(source)
        indices = dataset.indices("valid")
        classifier = case.model.classifier
        return lambda report, stop: study_regions(
            classifier, dataset, indices, found.method, on_progress=report, should_stop=stop
        )

    study: RegionStudy | None = background(
        "study",
        (case.model, found.method, source),
        "Measure it over the whole validation split",
        prepare,
        doing="measuring the faces",
        icon=":material/groups:",
        help=f"Every validation face of the data in use ({source_name(source)}), each explained for its predicted class.",
    )
    if study is not None:
        sentence = f"{source_name(source)}, validation split: {study.sentence()}"
        chart(region_bars(study.mean, study.area, sentence, study.ci95), key="study-bars", height=240)


# ------------------------------------------------------------------------------------------------ cover by hand


def _cover(face: FacePrediction, model: Model) -> None:
    """A patch of the face covered with grey, and the bars before and after; nothing is drawn until it is unfolded."""
    more = st.expander("Cover a part of the face", icon=":material/visibility_off:", key=_COVERED, on_change="rerun")
    if more.open:
        with more:
            _patch(face, model)


def _patch(face: FacePrediction, model: Model) -> None:
    """The face to drag a rectangle in, what the network sees then, and what it says."""
    state = session.state_of(UploadState)
    key = f"cover-{model.name}-{hash(face.crop.tobytes())}"
    names = [f"{key}-{field}" for field in ("left", "top", "width", "height")]

    def dragged() -> None:
        box = selected_box(key)
        if box:
            left, top = (int(min(max(np.floor(v), 0), FACE_SIZE - 1)) for v in box[:2])
            right, bottom = (int(np.clip(np.ceil(a + b), 1, FACE_SIZE)) for a, b in zip(box[:2], box[2:], strict=True))
            for name, value in zip(names, (left, top, max(1, right - left), max(1, bottom - top)), strict=True):
                session.set_widget_value(name, value)

    # Streamlit forgets the fields while they are folded away; only what is set anew in a run is shown in the browser.
    for name, value in zip(names, state.patches.get(key, _MOUTH), strict=True):
        session.preset_widget(name, value)
    select, result, bars = st.columns([1, 1, 2], gap="medium")
    with select:
        st.caption("Drag a rectangle, or type one.")
        big = cv2.resize(face.crop, (8 * FACE_SIZE, 8 * FACE_SIZE), interpolation=cv2.INTER_CUBIC)
        st.plotly_chart(
            selectable(encode(np.asarray(big, np.uint8), ".png"), FACE_SIZE, FACE_SIZE, "png").update_layout(
                height=230
            ),
            key=key,
            on_select=dragged,
            selection_mode="box",
            config={"displayModeBar": False},
            alt="The face, to drag a rectangle in",
        )
        values = _patch_numbers(names)
    state.patches[key] = values
    covered = cover(model.classifier, face.crop, *values)
    with result:
        st.caption("What the network sees then.")
        shown = cv2.resize(covered.face, (5 * FACE_SIZE, 5 * FACE_SIZE), interpolation=cv2.INTER_NEAREST)
        st.image(shown, width=230, alt="The face with the patch")
    with bars:
        before, after = (face.labels[int(p.argmax())] for p in (covered.before, covered.after))
        fall = float(covered.after[face.labels.index(before)] - covered.before[face.labels.index(before)])
        if before == after:
            title = (
                f"It still says {after}; {before} {'falls' if fall < 0 else 'rises'} by {abs(100 * fall):.0f} points"
            )
        else:
            title = f"It no longer says {before} but {after}; {before} falls by {abs(100 * fall):.0f} points"
        chart(
            probability_bars(face.labels, covered.after, title, other=covered.before, names=("covered", "as it is")),
            key=f"{_COVERED}-bars",
            height=330,
        )
        st.caption("Filled: with the patch. Hollow: without.")


def _patch_numbers(keys: Sequence[str]) -> tuple[int, ...]:
    """Four number inputs for the patch, in pixels of the face."""
    fields: list[Any] = []
    rows = st.columns(2), st.columns(2)
    places = [column for row in rows for column in row]
    for place, key, title, low, high in zip(
        places,
        keys,
        ("Left", "Top", "Width", "Height"),
        (0, 0, 1, 1),
        (FACE_SIZE - 1, FACE_SIZE - 1, FACE_SIZE, FACE_SIZE),
        strict=True,
    ):
        fields.append(place.number_input(title, min_value=low, max_value=high, step=1, key=key))
    return tuple(int(value) for value in fields)
