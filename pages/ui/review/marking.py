"""Marking faces: wrong label, not a face, ambiguous. The marks lie in the workspace, beside the data, never in it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fer_core.data.marks import MarkKind, Marks
from pages.ui.review.review import KIND_WORDS, Review
from pages.ui.review.state import MarkingState
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_of


def mark_bar(review: Review, selected: Sequence[int], *, key: str, suggestions: dict[int, int] | None = None) -> None:
    """What can be done with the selected faces, given by position.

    Args:
        review: what they belong to.
        selected: positions.
        key: identity on the page.
        suggestions: position -> label that something suggests; a button takes them over.

    Raises:
        DataError: the marks are damaged, or belong to other data; nothing may be added to them.
    """
    review.check()
    show_pending_error()
    dataset, journal = review.dataset, review.journal
    ids = [str(dataset.ids[i]) for i in selected]
    none = not ids
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        right = st.selectbox(
            "Right label", dataset.classes.names, key=f"{key}-right", width=140, help="What the face shows."
        )
        st.button(
            f"Wrong label: it is {plain(right)}",
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
            help="Takes back the last marking made in this window.",
            on_click=guarded(undo_marking),
            args=(journal, None),
        )
    many = f"{len(ids):,} face{'s' if len(ids) != 1 else ''} selected." if ids else "Tick faces to mark them."
    st.caption(f"{many} Marks are kept in the workspace; the data itself never changes.")


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
    """Take back these acts, or the last marking of this window."""
    acts = state_of(MarkingState).last if acts is None else acts
    journal.undo(acts)
    state_of(MarkingState).forget(acts)
    st.toast(f"{len(acts):,} mark{'s' if len(acts) != 1 else ''} taken back.", icon=":material/undo:")


def marks_list(review: Review, *, key: str) -> None:
    """All marks of a data set, to take back and to export.

    Raises:
        DataError: the marks are damaged, or belong to other data.
    """
    review.check()
    show_pending_error()
    dataset, journal = review.dataset, review.journal
    if not review.marks:
        st.info(
            "Nothing is marked yet. Tick faces in a wall and say what is wrong with them; the marks are listed here.",
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
            "Right label": mark.label or "",
        }
        for index, mark in ordered
    ]
    faces, are = ("face", "is") if len(rows) == 1 else ("faces", "are")
    st.caption(f"{len(rows):,} {faces} of {plain(dataset.name)} {are} marked. Select rows to take marks back.")
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
            "Take back the selected marks",
            icon=":material/undo:",
            key=f"{key}-take-back",
            disabled=not chosen,
            on_click=guarded(undo_marking),
            args=(journal, chosen),
        )
        st.download_button(
            "Download marks (CSV)",
            journal.to_csv(),
            "marks.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    how_to_use_marks()


def how_to_use_marks() -> None:
    """Where marks take effect."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            "Training uses marks when “use marks” is switched on: relabelled faces count with their right label, the "
            "others are left out. The command is `python -m fer_core train --use-marks`.",
            width="stretch",
        )
        st.page_link("pages/train.py", label="Train with them", icon=":material/model_training:", width="content")
