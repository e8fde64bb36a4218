"""The confusion matrix with clickable cells, and the faces of the selected cell."""

from __future__ import annotations

from typing import Any, Final, get_args

import streamlit as st

from fer_core import charts
from fer_core.evaluation.cells import (
    FaceOrder,
    MatrixView,
    cell_faces,
    matrix_csv,
    most_confused_cell,
    order_by_recall,
    rank,
)
from fer_core.formatting import CSV_ENCODING, percent
from pages.ui.evaluate.faces import wall_of
from pages.ui.evaluate.state import EvaluateState
from pages.ui.evaluate.subject import Subject
from pages.ui.shell.charts import chart, dark_theme
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import set_widget_value, state_of, widget_value

_MATRIX, _TRUE, _PREDICTED = "matrix", "cell-true", "cell-predicted"
"""Keys of the matrix and of the two boxes with the selected cell."""
_VIEWS: Final[dict[MatrixView, str]] = {
    "counts": "Counts",
    "rows": "By true label (recall)",
    "columns": "By prediction (precision)",
}


def matrix_and_faces(subject: Subject) -> None:
    """Draw the matrix with the figures next to it and the faces of the selected cell below."""
    with error_boundary("drawing the matrix"):
        state = state_of(EvaluateState)
        if state.cell_of != subject.key or widget_value(_TRUE) is None:
            state.cell_of = subject.key
            _choose_cell(*(most_confused_cell(subject.report.evaluation.confusion) or (0, 0)))
        left, right = st.columns([3, 2], gap="large")
        with left:
            _matrix(subject)
        with right:
            st.markdown("**Findings**")
            for sentence in subject.report.sentences:
                st.markdown(f"- {plain(sentence)}")
            chart(
                charts.class_scores(subject.report.evaluation.per_class, subject.classes),
                key="class-scores",
                height=300,
            )
            with st.expander("As a table", icon=":material/table:"):
                st.dataframe(_score_rows(subject), hide_index=True)
    with error_boundary("showing the faces"):
        _cell(subject)


def _score_rows(subject: Subject) -> list[dict[str, Any]]:
    def decimal(value: float | None) -> str:
        return "—" if value is None else f"{value:.3f}"

    return [
        {
            "emotion": name,
            "faces": score.n,
            "precision": decimal(score.precision),
            "recall": decimal(score.recall),
            "F1": decimal(score.f1),
        }
        for name, score in subject.report.evaluation.per_class.items()
    ]


def _matrix(subject: Subject) -> None:
    confusion = subject.report.evaluation.confusion
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        what = one_of("Numbers", _VIEWS, key="matrix-view")
        hide = st.toggle("Hide the diagonal", key="matrix-hide", help="Scales the colors to the errors.")
        order = st.toggle("Sort by confusion", key="matrix-sort", help="Lists the class with the lowest recall first.")
    figure = charts.confusion_matrix(
        confusion,
        subject.classes,
        what,
        order=order_by_recall(confusion) if order else None,
        hide_diagonal=hide,
        dark=dark_theme(),
    )
    title = str(figure.layout.title.text)
    st.markdown(f"**{plain(title)}**")
    figure.update_layout(title={"text": ""}, height=charts.matrix_height(len(subject.classes)))
    st.plotly_chart(
        figure,
        key=_MATRIX,
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
        st.caption(
            "Click a cell to see its faces. The camera icon above the matrix saves it as an image.", width="stretch"
        )
        st.download_button(
            "Download counts (CSV)",
            matrix_csv(confusion, subject.classes).encode(CSV_ENCODING),
            f"confusion-{subject.split}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def _cell_clicked() -> None:
    """Copy the clicked cell into the two select boxes, which store the selection."""
    points = widget_value(_MATRIX)["selection"]["points"]
    if points and "customdata" in points[0]:
        true, predicted = points[0]["customdata"]
        _choose_cell(int(true), int(predicted))


def _choose_cell(true: int, predicted: int) -> None:
    set_widget_value(_TRUE, true)
    set_widget_value(_PREDICTED, predicted)


def _cell(subject: Subject) -> None:
    st.subheader("Faces in a cell")
    orders: tuple[FaceOrder, ...] = get_args(FaceOrder)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = subject.classes.names
        codes = range(len(names))
        true = st.selectbox("True label", codes, format_func=names.__getitem__, key=_TRUE, width=140)
        predicted = st.selectbox("Predicted label", codes, format_func=names.__getitem__, key=_PREDICTED, width=140)
        order = one_of(
            "Sort by",
            {order: order.capitalize() for order in orders},
            key="cell-order",
            show_label=True,
            help="Confidence: the top probability. Loss: −ln of the probability of the label. Disagreement: distance of the "
            "probabilities from people's votes, or from the label without votes.",
        )
    faces, values = rank(subject.predictions, cell_faces(subject.predictions, true, predicted), order, subject.votes)
    happened = "correctly classified as" if true == predicted else "misclassified as"
    label, answer = plain(names[true]), plain(names[predicted])
    if not len(faces):
        st.info(f"No {label} face of this split is {happened} {answer}.", icon=":material/check_circle:")
        return
    st.markdown(f"**{len(faces):,} {label} face{'s' if len(faces) != 1 else ''} {happened} {answer}**")
    captions = [percent(v, 0) if order != "loss" else f"loss {v:.2f}" for v in values]
    wall_of(subject, faces, captions, key=f"cell-{true}-{predicted}-{order}-{subject.key}")
