"""The parts of the Evaluate page: choosing a model and a split, the headline, the matrix and the faces behind it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.classes import LABELS
from fer_core.data.cleaning import Cleaning
from fer_core.data.marks import marks_for
from fer_core.evaluation import Predictions, charts
from fer_core.evaluation.cells import (
    FaceOrder,
    MatrixView,
    by_confusion,
    cell_faces,
    cleaned_predictions,
    matrix_csv,
    most_confused_cell,
    rank,
)
from pages.ui.components.gallery.pick_wall import Group, pager, pick_wall
from pages.ui.review.dialog import face_dialog, face_tile
from pages.ui.review.marking import mark_bar, mark_words, marks_by_position, marks_list
from pages.ui.review.state import MarkingState
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import calm
from pages.ui.shell.formatting import percent, percent_with_interval, plain
from pages.ui.shell.runs import all_runs, started

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.evaluation.evaluate import Tta
    from fer_core.evaluation.report import EvaluationReport

PER_PAGE: Final = 48
_VIEWS: Final[dict[str, MatrixView]] = {"Counts": "counts", "Share of label": "rows", "Share of answer": "columns"}
_SPLIT_WORDS: Final = {"train": "Training", "valid": "Validation", "test": "Test"}


@dataclass(frozen=True, eq=False)
class Subject:
    """What is evaluated, and the outcome.

    Attributes:
        model: shipped name or run id; ``name`` is what people call it, ``path`` its checkpoint.
        dataset: with corrected labels, if marks are used.
        report: all figures.
        tta, cleaning: as chosen.
        key: identity of all of this.
    """

    model: str
    name: str
    path: Path
    dataset: FaceDataset
    split: str
    report: EvaluationReport
    tta: Tta
    cleaning: Cleaning
    key: str

    @property
    def predictions(self) -> Predictions:
        """Of the faces at ``positions``."""
        return self.report.predictions

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Where the evaluated faces stand in the data set."""
        return self.report.positions

    @property
    def votes(self) -> npt.NDArray[np.int64] | None:
        """FER+ votes of the evaluated faces."""
        return None if self.dataset.votes is None else self.dataset.votes[self.positions]


def model_names() -> dict[str, str]:
    """Models that can be evaluated, with names that tell runs of one name apart."""
    found = cache.models()
    when = {run.id: started(run) for run in all_runs()}
    return {model: f"{name} · {when[model]}" if model in when else name for model, name in found.items()}


def first_choice(names: dict[str, str]) -> str:
    """The model this page was opened on or turned to, else the model in use."""
    for model in (session.studied_model(), cache.model_in_use()):
        if model in names:
            return str(model)
    return next(iter(names))


def _turn_to_chosen() -> None:
    session.study_model(st.session_state["evaluate-model"])


def choose() -> Subject | None:
    """Pick a model, a split and what to leave out, and evaluate; None when there is no model yet.

    Raises:
        DataError, ModelError: what was picked cannot be evaluated.
    """
    names = model_names()
    if not names:
        return None
    dataset = cache.dataset(session.data_source())
    splits = [split for split, n in dataset.counts().items() if n]
    st.session_state["evaluate-model"] = first_choice(names)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        model = st.selectbox(
            "Model",
            list(names),
            format_func=lambda name: names.get(name, name),
            key="evaluate-model",
            on_change=_turn_to_chosen,
            help="The model in use, or any other: a shipped one, or the best weights of a run.",
        )
        split = st.selectbox(
            "Split",
            splits,
            index=splits.index("valid") if "valid" in splits else len(splits) - 1,
            format_func=lambda name: _SPLIT_WORDS[name],
            key="evaluate-split",
            width=160,
        )
        with st.popover("Options", icon=":material/tune:"):
            flip = st.toggle(
                "Average with the mirror image",
                key="evaluate-flip",
                help="Test-time averaging: each face is read twice, as it is and mirrored. Takes twice as long.",
            )
            st.markdown("**Leave out or put right**")
            cleaning = Cleaning(
                drop_duplicates=st.toggle("Faces with a copy in training or validation", key="evaluate-duplicates"),
                drop_blank=st.toggle("Blank images", key="evaluate-blank"),
                use_marks=st.toggle("Use my marks", key="evaluate-marks", help="Labels put right, unusable faces out."),
            )
    return evaluated(model, names[model], dataset, split, "flip" if flip else "none", cleaning)


def evaluated(model: str, name: str, dataset: FaceDataset, split: str, tta: Tta, cleaning: Cleaning) -> Subject:
    """Evaluate with a progress bar, or take it from the cache.

    Raises:
        DataError, ModelError: it cannot be evaluated.
    """
    from fer_core.inference import resolve_model

    predictions = predictions_of(model, name, dataset, split, tta)
    path = resolve_model(model)
    votes = None if dataset.votes is None else zlib.crc32(np.ascontiguousarray(dataset.votes))  # not in the fingerprint
    parts = [path, path.stat().st_mtime_ns, dataset.fingerprint, votes, split, tta, cleaning]
    key = "|".join(str(part) for part in [*parts, _marks_state(dataset, cleaning)])
    cleaned, report = _report(key, predictions, dataset, split, tta, cleaning)
    return Subject(model, name, path, cleaned, split, report, tta, cleaning, key)


def predictions_of(model: str, name: str, dataset: FaceDataset, split: str, tta: Tta) -> Predictions:
    """The model's answers for a whole split, with progress on the page the first time."""
    from fer_core.evaluation.cache import cached_predictions

    place = st.empty()

    def report(done: int, total: int) -> None:
        place.progress(done / total, text=f"Evaluating {plain(name)}: {done:,} of {total:,} faces")

    try:
        return cached_predictions(model, dataset, split, tta, on_progress=report)
    finally:
        place.empty()


def _marks_state(dataset: FaceDataset, cleaning: Cleaning) -> tuple[int, int] | None:
    if not cleaning.use_marks:
        return None
    try:
        found = marks_for(dataset).path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@st.cache_resource(max_entries=6, show_spinner=False)
def _report(
    key: str, _predictions: Predictions, _dataset: FaceDataset, _split: str, _tta: Tta, _cleaning: Cleaning
) -> tuple[FaceDataset, EvaluationReport]:
    from fer_core.evaluation.report import report_of

    cleaned, positions, predictions = cleaned_predictions(_predictions, _dataset, _split, _cleaning)
    return cleaned, report_of(predictions, cleaned, positions, _split, _tta, _cleaning)


def nothing_to_evaluate() -> None:
    """What the page shows before there is any model."""
    from pages.ui.components.gallery.face_wall import few_faces

    with st.container(border=True):
        st.subheader("No model yet")
        st.write("Train one first: its confusion matrix, and the faces in each cell of it, are shown here.")
        st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
    few_faces(session.data_source(), title="These faces wait to be read", key="evaluate-faces", each=6)


def headline(subject: Subject) -> None:
    """The accuracy twice, and what has to be known to read it."""
    from fer_core.inference import read_info

    result, alone = subject.report.evaluation, subject.report.deduplicated
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Accuracy",
            percent_with_interval(result.accuracy, result.accuracy_ci95),
            help=f"Share of {result.n:,} faces read as labelled; in brackets the 95 % interval (Wilson).",
            width="content",
        )
        st.metric(
            "Deduplicated",
            "—" if alone.accuracy is None else percent_with_interval(alone.accuracy, alone.accuracy_ci95),
            help=f"The same without faces whose pixels also stand in the training or validation split: {alone.n:,} faces.",
            width="content",
        )
        macro = "—" if result.macro_f1 is None else f"{result.macro_f1:.3f}"
        st.metric("Macro-F1", macro, help="Mean F1 over the classes that have faces.", width="content")
        st.metric(
            "ECE",
            f"{result.ece:.3f}",
            help="Expected calibration error: how far confidence and accuracy lie apart. See Certainty.",
            width="content",
        )
    left_out = result.n - alone.n
    facts = [f"{result.n:,} faces, {left_out:,} of them with a copy in another split"]
    if subject.cleaning:
        facts.append(subject.cleaning.describe())
    if subject.tta == "flip":
        facts.append("averaged with the mirror image")
    st.caption(" · ".join(facts))
    info = read_info(subject.path)
    same = info.data_fingerprint == subject.dataset.fingerprint
    if subject.split == "train" and (same or not info.data_fingerprint):
        st.warning(
            "These faces were trained on, so their accuracy measures memory. Judge the model on validation or test.",
            icon=":material/warning:",
        )
    if subject.split == "test":
        st.caption("The test split is for the final figure: choose models and settings on validation.")
    missing = [name for name, score in result.per_class.items() if not score.n]
    if missing:
        st.caption(f"Without faces here, and left out of macro-F1: {', '.join(missing)}.")


def show(subject: Subject) -> None:
    """The views of an evaluation, one at a time."""
    from pages.ui.evaluate.more import certainty, compare, people

    views: dict[str, Any] = {
        "Matrix and faces": matrix_and_faces,
        "Certainty": certainty,
        "People": people,
        "Compare": compare,
        "Marks": _marks,
    }
    chosen = st.segmented_control(
        "View",
        list(views),
        default="Matrix and faces",
        required=True,
        key="evaluate-view",
        label_visibility="collapsed",
    )
    with calm(f"showing {chosen}"):
        st.fragment(views[chosen or "Matrix and faces"])(subject)


def _marks(subject: Subject) -> None:
    with calm("reading the marks"):
        marks_list(cache.dataset(session.data_source()), key="evaluate-marks-list")


def dark_page() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def matrix_and_faces(subject: Subject) -> None:
    """The matrix with clickable cells, figures beside it, the faces of the chosen cell beneath."""
    with calm("drawing the matrix"):
        cell = st.session_state.get("cell-of") == subject.key
        if not cell or "cell-true" not in st.session_state:
            st.session_state["cell-of"] = subject.key
            true, predicted = most_confused_cell(subject.report.evaluation.confusion) or (0, 0)
            st.session_state["cell-true"], st.session_state["cell-predicted"] = true, predicted
        left, right = st.columns([3, 2], gap="large")
        with left:
            _matrix(subject)
        with right:
            st.markdown("**In words**")
            for sentence in subject.report.sentences:
                st.markdown(f"- {plain(sentence)}")
            chart(charts.class_scores(subject.report.evaluation.per_class), key="class-scores", height=300)
            with st.expander("As a table", icon=":material/table:"):
                st.dataframe(_score_rows(subject), hide_index=True)
    with calm("showing the faces"):
        _cell(subject)


def _score_rows(subject: Subject) -> list[dict[str, Any]]:
    def shown(value: float | None) -> str:
        return "—" if value is None else f"{value:.3f}"

    return [
        {
            "emotion": name,
            "faces": score.n,
            "precision": shown(score.precision),
            "recall": shown(score.recall),
            "F1": shown(score.f1),
        }
        for name, score in subject.report.evaluation.per_class.items()
    ]


def _matrix(subject: Subject) -> None:
    confusion = subject.report.evaluation.confusion
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        what = st.segmented_control(
            "Numbers", list(_VIEWS), default="Counts", required=True, key="matrix-view", label_visibility="collapsed"
        )
        hide = st.toggle("Hide the diagonal", key="matrix-hide", help="Leaves the colours to the errors.")
        order = st.toggle("Sort by confusion", key="matrix-sort", help="The class recognised worst stands first.")
    figure = charts.confusion_matrix(
        confusion,
        _VIEWS[what or "Counts"],
        order=by_confusion(confusion) if order else None,
        hide_diagonal=hide,
        dark=dark_page(),
    )
    title = str(figure.layout.title.text)
    st.markdown(f"**{plain(title)}**")
    figure.update_layout(title={"text": ""}, height=520)
    st.plotly_chart(
        figure,
        key="matrix",
        alt=title,
        on_select=_cell_clicked,
        selection_mode="points",
        config={
            "displaylogo": False,
            "modeBarButtonsToRemove": ["zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d",
                                       "autoScale2d", "resetScale2d"],
            "toImageButtonOptions": {"filename": f"confusion-{subject.split}", "scale": 2},
        },
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Click a cell to see its faces. The camera above the matrix saves it as a picture.", width="stretch")
        st.download_button(
            "csv",
            matrix_csv(confusion),
            f"confusion-{subject.split}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="The counts as a table.",
        )


def _cell_clicked() -> None:
    """Take the clicked cell over into the two select boxes, which hold the choice."""
    points = st.session_state["matrix"]["selection"]["points"]
    if points and "customdata" in points[0]:
        true, predicted = points[0]["customdata"]
        st.session_state["cell-true"], st.session_state["cell-predicted"] = int(true), int(predicted)


def _cell(subject: Subject) -> None:
    st.subheader("Faces in a cell")
    orders = list(get_args(FaceOrder))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        codes = range(len(LABELS))
        true = st.selectbox("Label", codes, format_func=LABELS.__getitem__, key="cell-true", width=140)
        predicted = st.selectbox(
            "Model's answer", codes, format_func=LABELS.__getitem__, key="cell-predicted", width=140
        )
        order: FaceOrder = st.segmented_control(
            "Sorted by",
            orders,
            default="confidence",
            required=True,
            format_func=str.capitalize,
            key="cell-order",
            help="Confidence: the model's top probability. Loss: −ln of the probability it gives the label. "
            "Disagreement: how far its probabilities lie from people's votes, or from the label where there are none.",
        ) or "confidence"  # fmt: skip
    faces, values = rank(subject.predictions, cell_faces(subject.predictions, true, predicted), order, subject.votes)
    happened = "rightly seen as" if true == predicted else "taken for"
    if not len(faces):
        st.info(
            f"No {LABELS[true]} face of this split is {happened} {LABELS[predicted]}.", icon=":material/check_circle:"
        )
        return
    st.markdown(
        f"**{len(faces):,} {LABELS[true]} face{'s' if len(faces) != 1 else ''} {happened} {LABELS[predicted]}**"
    )
    captions = [percent(v, 0) if order != "loss" else f"loss {v:.2f}" for v in values]
    wall_of(subject, faces, captions, key=f"cell-{true}-{predicted}-{order}-{subject.key}")


def wall_of(subject: Subject, faces: npt.NDArray[np.int64], captions: list[str], *, key: str, notes: str = "") -> None:
    """A paged wall of evaluated faces that can be opened and marked; ``faces`` are places in the predictions."""
    marks = marks_by_position(subject.dataset)
    bar = st.container()
    page = pager(len(faces), PER_PAGE, key=key)
    tiles = []
    for place, caption in zip(faces[page], captions[page], strict=True):
        index = int(subject.positions[place])
        words = f"{caption} · {mark_words(marks[index])}" if index in marks else caption
        tiles.append(face_tile(subject.dataset, index, words))
    picked = pick_wall([Group(tiles, note=notes)], key=f"{key}-{page.start}-{session.state_of(MarkingState).round}")
    with bar, calm("marking faces"):
        mark_bar(subject.dataset, [int(i) for i in picked.selected], key="wall")
    if picked.opened is not None:
        index = int(picked.opened)
        place = int(np.searchsorted(subject.positions, index))
        face_dialog(subject.dataset, index, subject.model, subject.predictions.probabilities[place])
