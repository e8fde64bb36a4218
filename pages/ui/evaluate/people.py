"""How often the model agrees with people, where they part, and its errors by who is to blame."""

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
    "both": "Both are sure",
    "model": "The model is sure",
    "people": "People are sure",
}
_KIND_HELP = {
    "model wrong": "more than half of the people side with the label",
    "label doubtful": "more than half of the people side with the model",
    "people disagree too": "neither has a majority",
}


def people(subject: Subject) -> None:
    """How often the model agrees with people, their answers beside its own, and its errors by who is to blame."""
    with error_boundary("comparing with people"):
        human, kinds = subject.report.human, subject.report.error_kinds
        if human is None or kinds is None:
            st.info(
                "No FER+ votes are loaded with this data, so there is nothing to compare people with. Put "
                "fer2013new.csv (from the FER+ project), or a votes.csv of your own (a column file and one for each class), "
                "beside the data and read it again on the Data page.",
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
                help=f"Share of {human.rated:,} rated faces whose most voted class is the data's label.",
                width="content",
            )
            st.metric(
                "People agree with each other",
                percent(human.top_share),
                help="Mean share of a face's votes that the most voted answer gets.",
                width="content",
            )
            if "NF" in subject.dataset.vote_columns:
                st.metric("Called no face by all", f"{human.not_faces:,}", width="content")
        height = charts.matrix_height(len(subject.classes)) - 90
        left, right = st.columns(2, gap="large")
        with left:
            chart(
                charts.confusion_matrix(
                    subject.report.evaluation.confusion,
                    subject.classes,
                    "rows",
                    title="What the model answers",
                    dark=dark_theme(),
                    clickable=False,
                ),
                key="people-model",
                height=height,
            )
        with right:
            figure = charts.confusion_matrix(
                human.confusion, subject.classes, "rows", title="What people answer", dark=dark_theme(), clickable=False
            )
            figure.update_xaxes(title_text="People say")
            chart(figure, key="people-people", height=height)
        st.subheader("Whose error is it?")
        counts = {kind: int((kinds == kind).sum()) for kind in ERROR_KINDS}
        total = sum(counts.values())
        if not total:
            st.info("The model makes no error on a face that people voted on.", icon=":material/check_circle:")
            return
        titles = {kind: f"{kind.capitalize()} ({counts[kind]:,})" for kind in ERROR_KINDS}
        kind = one_of("Kind of error", titles, key="people-kind")
        st.caption(f"{percent(counts[kind] / total, 0)} of the errors: {_KIND_HELP[kind]}.")
        faces = np.flatnonzero(kinds == kind)
        if not len(faces):
            st.info("There is no such face here.", icon=":material/check_circle:")
            return
        faces, _ = rank(subject.predictions, faces, "confidence")
        captions = [
            from_to(subject.classes, subject.predictions.labels[i], subject.predictions.predicted[i]) for i in faces
        ]
        wall_of(subject, faces, captions, key=f"people-{kind}-{subject.key}")


def _agreement(subject: Subject) -> None:
    """How often the model agrees with a person drawn at random, and the faces where it does not."""
    rated, agreement = subject.report.rated, subject.report.agreement
    if rated is None or agreement is None:
        st.info(
            "No face here has five votes for expressions, so nothing is said about agreement.", icon=":material/info:"
        )
        return
    name = cache.models().get(subject.model, subject.name)
    finding = f"{name} {rated.sentence(agreement).removeprefix('The model ')}"
    chart(charts.agreement_bars(agreement, finding), key="people-agreement", height=230)
    st.caption(
        f"Over {agreement.n:,} faces with at least five votes for expressions; the lines are 95% intervals (bootstrap over "
        "faces). Best possible: always naming what most people said."
    )
    more = st.expander(
        "Where model and people part", icon=":material/call_split:", key="people-parting", on_change="rerun"
    )
    if more.open:
        with more:
            _partings(subject, rated, agreement.n)


def _partings(subject: Subject, rated: RatedPredictions, n: int) -> None:
    """The faces whose most voted expression the model does not name."""
    order = one_of("Which first?", _PARTING_ORDERS, key="people-parting-order", show_label=True)
    found = rated.disagreements(order)
    if not len(found):
        st.info("On every face the model names what most people said.", icon=":material/check_circle:")
        return
    st.caption(
        f"{len(found):,} of {n:,} faces. Beneath each: what the model predicts and its probability, then what most people "
        "said and their share."
    )
    captions = [
        f"{predicted} {_unbroken(confidence)} · {people} {_unbroken(share)}"
        for predicted, confidence, people, share in zip(
            found.predicted.tolist(), found.confidence, found.people.tolist(), found.share, strict=True
        )
    ]
    rated_wall_of(subject, rated, found.faces, captions, key=f"people-parting-{order}-{subject.key}")


def _unbroken(share: float) -> str:
    """``96%`` that a narrow caption does not break."""
    return percent(share, 0).replace(" ", "\N{NO-BREAK SPACE}")
