"""More views of the Evaluate page: how sure the model may be, what people say, and one model against another."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from fer_core.classes import LABELS
from fer_core.errors import FerError
from fer_core.evaluation import Evaluation, Predictions, charts
from fer_core.evaluation.calibration import fit_temperature, risk_coverage
from fer_core.evaluation.compare import Comparison
from fer_core.evaluation.compare import compare as compare_predictions
from fer_core.evaluation.human import ERROR_KINDS
from fer_core.evaluation.metrics import reliability_bins
from pages.ui.evaluate.matrix import Subject, dark_page, evaluated, model_names, predictions_of, wall_of
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import calm
from pages.ui.shell.formatting import percent, percent_with_interval, plain
from pages.ui.shell.runs import ACTIVE, all_runs

if TYPE_CHECKING:
    from pathlib import Path

_KIND_HELP = {
    "model wrong": "more than half of the people side with the label",
    "label doubtful": "more than half of the people side with the model",
    "people disagree too": "neither has a majority",
}


def certainty(subject: Subject) -> None:
    """Reliability, temperature, and the threshold below which the model says "not sure"."""
    with calm("drawing the certainty"):
        left, right = st.columns(2, gap="large")
        with left:
            _calibration(subject)
        with right:
            _threshold(subject)


def _why_not_stored(subject: Subject) -> str | None:
    """Why nothing can be stored with this model, or None."""
    run = next((run for run in all_runs() if run.id == subject.model), None)
    if run is None:
        return "A shipped model keeps the settings it came with. Choose a run to store this with it."
    if run.state in ACTIVE:
        return "This run still trains and replaces its weights. Store this when it has ended."
    return None


def _calibration(subject: Subject) -> None:
    predictions = subject.predictions
    result = subject.report.evaluation
    chart(
        charts.reliability(reliability_bins(predictions.probabilities, predictions.labels), result.ece),
        key="reliability",
        height=360,
    )
    st.caption(
        "Each point is one fifteenth of the confidence scale; the larger, the more faces. On the dotted line the model "
        "is right as often as it says."
    )
    st.markdown("**Temperature**")
    if not subject.dataset.counts()["valid"]:
        st.info("The data has no validation faces to fit a temperature on.", icon=":material/info:")
        return
    valid = _validation(subject)
    fitted = fit_temperature(valid.logits, valid.labels)
    stored = predictions.temperature
    same = abs(stored - fitted) < 5e-4
    before, after = (
        Evaluation.of(replace(predictions, temperature=t), subject.split) for t in (1.0 if same else stored, fitted)
    )
    st.write(
        f"Dividing the logits by **{fitted:.3f}** (fitted on {len(valid.labels):,} validation faces) takes the ECE here "
        f"from {before.ece:.3f} to **{after.ece:.3f}** and the loss from {before.loss:.3f} to **{after.loss:.3f}** nats. "
        "No answer changes, only how sure it is."
    )
    if subject.split == "valid":
        st.caption("Fitted and measured on the same faces here; the test split shows it on others.")
    reason = _why_not_stored(subject)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            "Store with the model",
            icon=":material/save:",
            key="store-temperature",
            disabled=reason is not None or same,
            help=reason or "From then on every page, command and export uses it.",
        ):
            _store(subject.path, "temperature", float(fitted))
        st.caption(f"Stored now: {stored:.3f}{', the fitted one' if same else ''}", width="content")


def _validation(subject: Subject) -> Predictions:
    if subject.split == "valid":
        return subject.predictions
    return predictions_of(subject.model, subject.name, subject.dataset, "valid", subject.tta)


def _store(path: Path, field: str, value: float) -> None:
    from fer_core.inference import update_info

    update_info(path, **{field: value})
    session.notify("Stored with the model.")
    st.rerun()  # the whole page: its figures rest on what was stored


def _threshold(subject: Subject) -> None:
    from fer_core.inference import read_info

    stored = read_info(subject.path).abstain_below
    curve = risk_coverage(subject.predictions.probabilities, subject.predictions.labels)
    place = st.container()
    threshold = st.slider(
        "Say “not sure” below this confidence",
        min_value=0.0,
        max_value=1.0,
        value=float(stored),
        step=0.01,
        format="percent",
        key=f"threshold-{subject.path}-{stored}",
    )
    with place:
        chart(charts.risk_coverage(curve, threshold), key="risk-coverage", height=360)
    coverage, risk = curve.at(threshold)
    if risk is None:
        st.write("At this threshold the model would never answer.")
    else:
        st.write(
            f"Of {len(subject.predictions.labels):,} faces **{percent(coverage)}** get an answer, and "
            f"**{percent(1 - risk)}** of the answers are right; the others are told “not sure”."
        )
    reason = _why_not_stored(subject)
    same = abs(threshold - stored) < 1e-9
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            "Store with the model",
            icon=":material/save:",
            key="store-threshold",
            disabled=reason is not None or same,
            help=reason or "Upload, video, webcam and the command line then say “not sure” below it.",
        ):
            _store(subject.path, "abstain_below", float(threshold))
        st.caption(f"Stored now: {percent(stored, 0)}", width="content")


def people(subject: Subject) -> None:
    """People's answers beside the model's, and its errors by who is to blame."""
    with calm("comparing with people"):
        human, kinds = subject.report.human, subject.report.error_kinds
        if human is None or kinds is None:
            st.info(
                "No FER+ votes are loaded with this data, so there is nothing to compare people with. Put "
                "fer2013new.csv (from the FER+ project) beside the data and read it again on the Data page.",
                icon=":material/how_to_vote:",
            )
            return
        with st.container(horizontal=True, gap="medium"):
            accuracy = subject.report.evaluation.accuracy
            st.metric("Model agrees with the label", percent(accuracy), width="content")
            st.metric(
                "People agree with the label",
                percent(human.agreement),
                help=f"Share of {human.rated:,} rated faces whose most voted emotion is the data's label.",
                width="content",
            )
            st.metric(
                "People agree with each other",
                percent(human.top_share),
                help="Mean share of the ten votes that the most voted answer gets.",
                width="content",
            )
            st.metric("Called no face by all", f"{human.not_faces:,}", width="content")
        left, right = st.columns(2, gap="large")
        with left:
            chart(
                charts.confusion_matrix(
                    subject.report.evaluation.confusion, "rows", title="What the model answers", dark=dark_page(), clickable=False
                ),
                key="people-model",
                height=430,
            )  # fmt: skip
        with right:
            figure = charts.confusion_matrix(
                human.confusion, "rows", title="What people answer", dark=dark_page(), clickable=False
            )
            figure.update_xaxes(title_text="People say")
            chart(figure, key="people-people", height=430)
        st.subheader("Whose error is it?")
        counts = {kind: int((kinds == kind).sum()) for kind in ERROR_KINDS}
        total = sum(counts.values())
        if not total:
            st.info("The model makes no error on a face that people voted on.", icon=":material/check_circle:")
            return
        kind = st.segmented_control(
            "Kind of error",
            list(ERROR_KINDS),
            default=ERROR_KINDS[0],
            required=True,
            format_func=lambda name: f"{name.capitalize()} ({counts[name]:,})",
            key="people-kind",
            label_visibility="collapsed",
        )
        kind = kind or ERROR_KINDS[0]
        st.caption(f"{percent(counts[kind] / total, 0)} of the errors: {_KIND_HELP[kind]}.")
        faces = np.flatnonzero(kinds == kind)
        if not len(faces):
            st.info("There is no such face here.", icon=":material/check_circle:")
            return
        confidence = subject.predictions.probabilities.max(axis=1)[faces]
        faces = faces[np.argsort(-confidence, kind="stable")]
        captions = [_from_to(subject.predictions.labels[i], subject.predictions.predicted[i]) for i in faces]
        wall_of(subject, faces, captions, key=f"people-{kind}-{subject.key}")


def _from_to(first: Any, second: Any) -> str:
    return f"{LABELS[int(first)]} → {LABELS[int(second)]}"


def compare(subject: Subject) -> None:
    """Another model on the same faces: what changed, and whether it is more than chance."""
    with calm("comparing two models"):
        names = {model: name for model, name in model_names().items() if model != subject.model}
        if not names:
            st.info("There is only one model. Train another one to compare it with.", icon=":material/compare:")
            st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
            return
        other = st.selectbox(
            "Compare with",
            list(names),
            index=list(names).index(_other_choice(subject.model, names)),
            format_func=lambda model: names.get(model, model),
            key="compare-with",
            help="The one chosen here comes first: gains and losses are those of the model at the top against it.",
        )
        source = cache.dataset(session.data_source())
        first = evaluated(other, names[other], source, subject.split, subject.tta, subject.cleaning)
        found = compare_predictions(first.predictions, subject.predictions)
        _outcome(first, subject, found)


def _other_choice(model: str, names: dict[str, str]) -> str:
    """What to compare a model with: the weights its run began with, else the model in use, else the newest run."""
    runs = all_runs()
    begun_with = None
    with suppress(FerError):
        begun_with = next((run.config.init_from for run in runs if run.id == model), None)
    for other in (begun_with, cache.model_in_use(), *(run.id for run in runs if run.state == "finished")):
        if other in names:
            return str(other)
    return next(iter(names))


def _outcome(first: Subject, second: Subject, found: Comparison) -> None:
    left, right = st.columns([3, 2], gap="large")
    gained, lost = len(found.gained), len(found.lost)
    with left:
        title = f"{second.name} against {first.name}: {gained:,} faces gained, {lost:,} lost"
        chart(charts.matrix_difference(found.matrix_difference, title, dark=dark_page()), key="difference", height=430)
    with right:
        for who, accuracy in ((first, found.accuracies[0]), (second, found.accuracies[1])):
            interval = who.report.evaluation.accuracy_ci95
            st.metric(who.name, percent_with_interval(accuracy, interval))
        st.write(plain(found.test.sentence(f"“{first.name}”", f"“{second.name}”")))
        if found.relabelled:
            st.caption(f"{found.relabelled:,} labels differ between the two; the labels of the model at the top count.")
        st.caption(
            "In the matrix: faces more (+) or fewer (-) in each cell. On the diagonal more is better, elsewhere fewer."
        )
    st.subheader("Faces that flipped")
    ways = {f"Now right ({gained:,})": found.gained, f"Now wrong ({lost:,})": found.lost}
    both_wrong = np.setdiff1d(found.changed, np.concatenate([found.gained, found.lost]))
    ways[f"Still wrong, another answer ({len(both_wrong):,})"] = both_wrong
    way = st.segmented_control(
        "Flipped", list(ways), default=next(iter(ways)), required=True, key="flips", label_visibility="collapsed"
    )
    way = way or next(iter(ways))
    places = ways[way]
    if not len(places):
        st.info("No face flipped this way.", icon=":material/info:")
        return
    captions = [f"{_from_to(found.first[i], found.second[i])}" for i in places]
    faces = np.searchsorted(second.positions, _positions(second, found.ids[places]))
    st.caption(f"What {plain(first.name)} said → what {plain(second.name)} says; the dot is the label's colour.")
    wall_of(second, faces, captions, key=f"flips-{list(ways).index(way)}-{first.key}-{second.key}")


def _positions(subject: Subject, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    order = {str(face): int(place) for face, place in zip(subject.predictions.ids, subject.positions, strict=True)}
    return np.array([order[str(face)] for face in ids], dtype=np.int64)
