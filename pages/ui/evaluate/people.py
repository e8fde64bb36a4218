"""Agreement of the model with people: how often, where they disagree, and which errors are due to the label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import streamlit as st

from fer_core import charts
from fer_core.evaluation.cells import rank
from fer_core.evaluation.human import ERROR_KINDS
from fer_core.formatting import percent
from pages.ui.evaluate.faces import from_to, rated_wall_of, wall_of
from pages.ui.evaluate.subject import Subject
from pages.ui.shell import cache
from pages.ui.shell.charts import chart, dark_theme
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.evaluation.agreement import DisagreementOrder, RatedPredictions

_PARTING_ORDERS: Final[dict[DisagreementOrder, str]] = {
    "both": "Both",
    "model": "Model",
    "people": "People",
}
_KIND_HELP = {
    "model wrong": "more than half of the people agree with the label",
    "label doubtful": "more than half of the people agree with the model",
    "people disagree too": "neither has a majority",
}


def people(subject: Subject) -> None:
    """Draw the agreement of the model with people, both confusion matrices, and the errors by cause."""
    with error_boundary("comparing with people"):
        human, kinds = subject.report.human, subject.report.error_kinds
        if human is None or kinds is None:
            st.info(
                "These data have no votes to compare with. Put fer2013new.csv (from the FER+ project) or your own votes.csv "
                "(a column file and one per class) next to the data and reload them on the Data page.",
                icon=":material/how_to_vote:",
            )
            return
        _agreement(subject)
        with st.container(horizontal=True, gap="medium"):
            accuracy = subject.report.evaluation.accuracy
            st.metric("Model agrees with the label", percent(accuracy), width="content")
            st.metric(
                "People agree with the label",
                percent(human.agreement),
                help=f"Share of {human.rated:,} rated faces whose most voted class is the label.",
                width="content",
            )
            st.metric(
                "People agree with each other",
                percent(human.top_share),
                help="Mean share of the votes for the most voted class of a face.",
                width="content",
            )
            if "NF" in subject.dataset.vote_columns:
                st.metric("Unanimously not a face", f"{human.not_faces:,}", width="content")
        height = charts.matrix_height(len(subject.classes)) - 90
        left, right = st.columns(2, gap="large")
        with left:
            chart(
                charts.confusion_matrix(
                    subject.report.evaluation.confusion,
                    subject.classes,
                    "rows",
                    title="Predictions of the model",
                    dark=dark_theme(),
                    clickable=False,
                ),
                key="people-model",
                height=height,
            )
        with right:
            figure = charts.confusion_matrix(
                human.confusion,
                subject.classes,
                "rows",
                title="Majority votes of people",
                dark=dark_theme(),
                clickable=False,
            )
            figure.update_xaxes(title_text="Majority vote")
            chart(figure, key="people-people", height=height)
        st.subheader("Causes of the errors")
        counts = {kind: int((kinds == kind).sum()) for kind in ERROR_KINDS}
        total = sum(counts.values())
        if not total:
            st.info("The model makes no error on a face with votes.", icon=":material/check_circle:")
            return
        titles = {kind: f"{kind.capitalize()} ({counts[kind]:,})" for kind in ERROR_KINDS}
        kind = one_of("Kind of error", titles, key="people-kind")
        st.caption(f"{percent(counts[kind] / total, 0)} of the errors: {_KIND_HELP[kind]}.")
        faces = np.flatnonzero(kinds == kind)
        if not len(faces):
            st.info("No face has this kind of error.", icon=":material/check_circle:")
            return
        faces, _ = rank(subject.predictions, faces, "confidence")
        captions = [
            from_to(subject.classes, subject.predictions.labels[i], subject.predictions.predicted[i]) for i in faces
        ]
        wall_of(subject, faces, captions, key=f"people-{kind}-{subject.key}")


def _agreement(subject: Subject) -> None:
    """Draw how often the model agrees with a random rater, and the faces where it does not."""
    rated, agreement = subject.report.rated, subject.report.agreement
    if rated is None or agreement is None:
        st.info("No face has five votes for expressions, so the agreement cannot be measured.", icon=":material/info:")
        return
    name = cache.models().get(subject.model, subject.name)
    finding = f"{name} {rated.sentence(agreement).removeprefix('The model ')}"
    chart(charts.agreement_bars(agreement, finding), key="people-agreement", height=230)
    st.caption(
        f"{agreement.n:,} faces with at least five votes for expressions; lines are 95% intervals (bootstrap over faces). "
        "Best possible: always predict the majority vote."
    )
    more = st.expander(
        "Where model and people disagree", icon=":material/call_split:", key="people-parting", on_change="rerun"
    )
    if more.open:
        with more:
            _partings(subject, rated, agreement.n)


def _partings(subject: Subject, rated: RatedPredictions, n: int) -> None:
    """Draw the faces whose prediction is not the most voted expression."""
    order = one_of("Sort by confidence of", _PARTING_ORDERS, key="people-parting-order", show_label=True)
    found = rated.disagreements(order)
    if not len(found):
        st.info("The model predicts the majority vote of every face.", icon=":material/check_circle:")
        return
    st.caption(
        f"{len(found):,} of {n:,} faces. Below each: the prediction and its probability, then the majority vote and its "
        "share."
    )
    captions = [
        f"{predicted} {_unbroken(confidence)} · {people} {_unbroken(share)}"
        for predicted, confidence, people, share in zip(
            found.predicted.tolist(), found.confidence, found.people.tolist(), found.share, strict=True
        )
    ]
    rated_wall_of(subject, rated, found.faces, captions, key=f"people-parting-{order}-{subject.key}")


def _unbroken(share: float) -> str:
    """Return ``96%`` without a break opportunity."""
    return percent(share, 0).replace(" ", "\N{NO-BREAK SPACE}")
