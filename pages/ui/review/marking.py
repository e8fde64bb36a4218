"""Mark faces as wrongly labeled, not a face or ambiguous. Marks are saved in the workspace, never in the data."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fer_core.data.marks import MarkKind, Marks
from fer_core.formatting import CSV_ENCODING
from pages.ui.review.review import KIND_WORDS, Review
from pages.ui.review.state import MarkingState
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_of


def mark_bar(review: Review, selected: Sequence[int], *, key: str, suggestions: dict[int, int] | None = None) -> None:
    """Draw the buttons that mark the selected faces.

    Args:
        review: the data set and its marks.
        selected: indices in the data set.
        key: prefix of the widgets' keys.
        suggestions: index -> suggested label; a button applies them.

    Raises:
        DataError: the marks are damaged, or belong to other data.
    """
    review.check()
    show_pending_error()
    dataset, journal = review.dataset, review.journal
    ids = [str(dataset.ids[i]) for i in selected]
    none = not ids
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        right = st.selectbox(
            "Correct label", dataset.classes.names, key=f"{key}-right", width=140, help="The expression the face shows."
        )
        st.button(
            f"Relabel as {plain(right)}",
            icon=":material/edit:",
            key=f"{key}-wrong",
            disabled=none,
            on_click=guarded(_mark),
            args=(journal, ids, "wrong_label", right),
        )
        st.button(
            "Not a face",
            icon=":material/no_accounts:",
            key=f"{key}-not",
            disabled=none,
            on_click=guarded(_mark),
            args=(journal, ids, "not_a_face", None),
        )
        st.button(
            "Ambiguous",
            icon=":material/help:",
            key=f"{key}-ambiguous",
            disabled=none,
            on_click=guarded(_mark),
            args=(journal, ids, "ambiguous", None),
        )
        if suggestions is not None:
            taken = {str(dataset.ids[i]): suggestions[i] for i in selected if i in suggestions}
            st.button(
                "Relabel as suggested",
                icon=":material/auto_fix_high:",
                key=f"{key}-suggested",
                disabled=not taken,
                on_click=guarded(_take_suggestions),
                args=(journal, taken),
            )
        st.button(
            "Undo",
            icon=":material/undo:",
            key=f"{key}-undo",
            type="tertiary",
            disabled=not state_of(MarkingState).last,
            help="Removes the last marks made in this window.",
            on_click=guarded(undo_marking),
            args=(journal, None),
        )
    many = f"{len(ids):,} face{'s' if len(ids) != 1 else ''} selected." if ids else "Tick faces to mark them."
    st.caption(f"{many} Marks are saved in the workspace; the data never change.")


def _mark(journal: Marks, ids: Sequence[str], kind: MarkKind, label: str | None) -> None:
    state_of(MarkingState).remember([mark.act for mark in journal.add(ids, kind, label)])
    what = f"as {plain(label)}" if label else f"“{KIND_WORDS[kind]}”"
    st.toast(f"{len(ids):,} face{'s' if len(ids) != 1 else ''} marked {what}.", icon=":material/check:")


def _take_suggestions(journal: Marks, suggestions: dict[str, int]) -> None:
    acts = []
    for label in sorted(set(suggestions.values())):
        faces = [face for face, suggested in suggestions.items() if suggested == label]
        acts += [mark.act for mark in journal.add(faces, "wrong_label", journal.classes[label])]
    state_of(MarkingState).remember(acts)
    st.toast(f"{len(suggestions):,} labels marked as suggested.", icon=":material/check:")


def undo_marking(journal: Marks, acts: list[str] | None) -> None:
    """Remove these marks, or the last ones made in this window."""
    acts = state_of(MarkingState).last if acts is None else acts
    journal.undo(acts)
    state_of(MarkingState).drop_undone(acts)
    st.toast(f"{len(acts):,} mark{'s' if len(acts) != 1 else ''} removed.", icon=":material/undo:")


def marks_list(review: Review, *, key: str) -> None:
    """Draw all marks of a data set, to remove or download them.

    Raises:
        DataError: the marks are damaged, or belong to other data.
    """
    review.check()
    show_pending_error()
    dataset, journal = review.dataset, review.journal
    if not review.marks:
        st.info(
            "No marks yet. Tick faces on this page or on Evaluate and mark what is wrong; the marks appear here.",
            icon=":material/info:",
        )
        return
    ordered = sorted(review.marks.items(), key=lambda pair: -pair[1].time)
    rows = [
        {
            "Face": str(dataset.ids[index]),
            "Split": str(dataset.split[index]),
            "Label": dataset.label_name(index),
            "Mark": KIND_WORDS[mark.kind],
            "Correct label": mark.label or "",
        }
        for index, mark in ordered
    ]
    faces, are = ("face", "is") if len(rows) == 1 else ("faces", "are")
    st.caption(f"{len(rows):,} {faces} of {plain(dataset.name)} {are} marked. Select rows to remove marks.")
    event = st.dataframe(
        rows,
        hide_index=True,
        key=f"{key}-{state_of(MarkingState).round}",
        on_select="rerun",
        selection_mode="multi-row",
    )
    chosen = [ordered[row][1].act for row in event["selection"]["rows"] if row < len(ordered)]
    with st.container(horizontal=True):
        st.button(
            "Remove selected marks",
            icon=":material/undo:",
            key=f"{key}-take-back",
            disabled=not chosen,
            on_click=guarded(undo_marking),
            args=(journal, chosen),
        )
        st.download_button(
            "Download marks (CSV)",
            journal.to_csv().encode(CSV_ENCODING),
            "marks.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    how_to_use_marks()


def how_to_use_marks() -> None:
    """Explain where marks take effect."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            "With “use marks”, training applies your corrected labels and excludes unusable faces. Command: "
            "`fer-lab train --use-marks`.",
            width="stretch",
        )
        st.page_link("pages/train.py", label="Train with marks", icon=":material/model_training:", width="content")
