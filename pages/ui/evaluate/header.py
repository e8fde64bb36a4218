"""The top of the Evaluate page: model, split, excluded faces, and the headline figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.data.cleaning import Cleaning
from fer_core.formatting import SPLIT_NAMES, percent_with_interval
from pages.ui.evaluate.subject import Subject, evaluated, model_names
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.evaluation.matching import ExtraClasses

_MODEL: Final = "evaluate-model"
_EXTRA: Final[dict[ExtraClasses, str]] = {"count": "Count", "mask": "Mask"}
_EXTRA_HELP: Final = (
    "The model has classes that these data lack. Count: predicting one of them is an error, as in use. Mask: the model "
    "chooses among the classes of the data only."
)


def first_choice(names: dict[str, str]) -> str:
    """Return the model selected on this page, else the model in use."""
    for model in (session.studied_model(), cache.model_in_use()):
        if model in names:
            return str(model)
    return next(iter(names))


def _turn_to_chosen() -> None:
    session.study_model(session.widget_value(_MODEL))


def choose() -> Subject | None:
    """Draw the choice of model, split and excluded faces, and evaluate; None without models.

    Raises:
        DataError, ModelError: the selection cannot be evaluated.
    """
    names = model_names()
    if not names:
        return None
    dataset = cache.dataset(session.data_source())
    splits = [split for split, n in dataset.counts().items() if n]
    session.set_widget_value(_MODEL, first_choice(names))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        model = st.selectbox(
            "Model",
            list(names),
            format_func=lambda name: names.get(name, name),
            key=_MODEL,
            on_change=_turn_to_chosen,
            help="A shipped model, or the best weights of a run.",
        )
        split = st.selectbox(
            "Split",
            splits,
            index=splits.index("valid") if "valid" in splits else len(splits) - 1,
            format_func=lambda name: SPLIT_NAMES[name].capitalize(),
            key="evaluate-split",
            width=160,
        )
        with st.popover("Options", icon=":material/tune:"):
            flip = st.toggle(
                "Average with the mirror image",
                key="evaluate-flip",
                help="Test-time augmentation: averages the predictions for each face and its mirror image. Takes twice as long.",
            )
            sensitivity = _sensitivity(model)
            st.markdown("**Exclude or correct**")
            cleaning = Cleaning(
                drop_duplicates=st.toggle(
                    "Faces with a duplicate in training or validation", key="evaluate-duplicates"
                ),
                drop_blank=st.toggle("Blank images", key="evaluate-blank"),
                use_marks=st.toggle(
                    "Use my marks",
                    key="evaluate-marks",
                    help="Applies your corrected labels and excludes unusable faces.",
                ),
            )
    extra = _extra_classes(model, dataset)
    return evaluated(model, names[model], dataset, split, "flip" if flip else "none", cleaning, extra, sensitivity)


def _sensitivity(model: str) -> float | None:
    """Draw the sensitivity of this evaluation, separate from Upload and Webcam; None if the model has none.

    Raises:
        ModelError: the model is damaged.
    """
    from fer_core.inference import read_info, resolve_model

    info = read_info(resolve_model(model, session.workspace()))
    if not info.prior:
        return None
    own = info.sensitivity
    help = (
        f"Applies to this evaluation only. 0 judges as people judge everyday photos. {plain(model)}'s own is {own:g}."
    )
    return st.slider("Sensitivity", 0.0, 1.0, own, 0.05, key=f"evaluate-sensitivity-{model}-{own:g}", help=help)


def _extra_classes(model: str, dataset: FaceDataset) -> ExtraClasses:
    """Draw the choice for classes that the data lack, if the model has any.

    Raises:
        ModelError: the model is damaged, or has no class of the data.
    """
    from fer_core.evaluation.matching import match_classes
    from fer_core.inference import read_info, resolve_model

    match = match_classes(read_info(resolve_model(model, session.workspace())).classes, dataset.classes)
    if not match.extras or len(match.shared) < 2:
        return "count"
    return one_of("Classes the data lack", _EXTRA, key="evaluate-extra", show_label=True, help=_EXTRA_HELP)


def nothing_to_evaluate() -> None:
    """Draw the page without any model."""
    from pages.ui.review.rows import sample_faces

    with st.container(border=True):
        st.subheader("No model yet")
        st.write("Train a network to see its confusion matrix and the faces in each cell here.")
        st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
    sample_faces(session.data_source(), title="Sample faces", key="evaluate-faces", each=6)


def headline(subject: Subject) -> None:
    """Draw the headline figures and the conditions of the evaluation."""
    from fer_core.inference import read_info

    result, alone = subject.report.evaluation, subject.report.deduplicated
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Accuracy",
            percent_with_interval(result.accuracy, result.accuracy_ci95),
            help=f"Share of {result.n:,} faces predicted as labeled, with its 95% interval (Wilson).",
            width="content",
        )
        st.metric(
            "Deduplicated",
            "—" if alone.accuracy is None else percent_with_interval(alone.accuracy, alone.accuracy_ci95),
            help=f"Accuracy without exact duplicates of training or validation images: {alone.n:,} faces.",
            width="content",
        )
        macro = "—" if result.macro_f1 is None else f"{result.macro_f1:.3f}"
        st.metric("Macro-F1", macro, help="Mean F1 of the classes that have faces.", width="content")
        st.metric(
            "ECE",
            f"{result.ece:.3f}",
            help="Expected calibration error: mean gap between confidence and accuracy. See Calibration.",
            width="content",
        )
    left_out = result.n - alone.n
    facts = [f"{result.n:,} faces, {left_out:,} of them with a duplicate in another split"]
    if subject.cleaning:
        facts.append(subject.cleaning.describe())
    if read_info(subject.path).prior:
        facts.append(f"sensitivity {subject.report.sensitivity:g}")
    if subject.tta == "flip":
        facts.append("averaged with the mirror image")
    st.caption(" · ".join(facts))
    if subject.report.caption:
        st.info(plain(subject.report.caption), icon=":material/category:")
    data_caption(subject.dataset)
    info = read_info(subject.path)
    same = info.data_fingerprint == subject.dataset.fingerprint
    if subject.split == "train" and (same or not info.data_fingerprint):
        st.warning(
            "The model was trained on these faces, so their accuracy measures memory. Use validation or test instead.",
            icon=":material/warning:",
        )
    if subject.split == "test":
        st.caption("The test split is for the final figure; choose models and settings on validation.")
    missing = [name for name, score in result.per_class.items() if not score.n]
    if missing:
        st.caption(f"Classes without faces, not part of macro-F1: {plain(', '.join(missing))}.")
