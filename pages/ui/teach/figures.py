"""How good the taught model is: on takes it has not seen, beside what random frames would have claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from fer_core import charts
from fer_core.classes import ClassList
from fer_core.formatting import counted, percent, percent_with_interval
from pages.ui.shell.charts import chart, dark_theme
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.teach import Taught


def figures(taught: Taught) -> None:
    """Draw accuracy, confusions, and the take that would help most."""
    left, right = st.columns([1, 1], gap="large")
    unseen, random = taught.leave_one_take_out, taught.random_frames
    with left:
        st.subheader("How good is it?", anchor=False)
        with st.container(horizontal=True, gap="large"):
            st.metric(
                "Takes it has not seen",
                "—" if unseen.accuracy is None else percent(unseen.accuracy, 0),
                help="Each take in turn is left out of training and then predicted; the mean over takes of the share of "
                "faces predicted right. This is what to expect tomorrow, in another light.",
                width="content",
            )
            st.metric(
                "Random frames",
                "—" if random.accuracy is None else percent(random.accuracy, 0),
                help="Five folds of shuffled faces with the same classifier. Frames of one take are both trained on and "
                "tested. Programs that report only this figure promise too much.",
                width="content",
            )
        if unseen.accuracy is not None:
            st.caption(
                f"{percent_with_interval(unseen.accuracy, unseen.ci95, 0)}: 95% bootstrap interval over "
                f"{counted(unseen.takes, 'take')} with {counted(unseen.faces, 'face')}."
            )
        st.markdown(plain(taught.why_they_differ))
        _what_next(taught)
    with right:
        if any(map(any, unseen.matrix)):
            matrix = np.array(unseen.matrix)
            figure = charts.confusion_matrix(matrix, ClassList(taught.classes), dark=dark_theme(), clickable=False)
            chart(figure, key="teach-matrix", height=140 + 56 * len(taught.classes))
    _details(taught)


def _what_next(taught: Taught) -> None:
    """Draw what is confused, and what another take would bring."""
    pairs = [
        f"- **{plain(pair.true)}** is misclassified as **{plain(pair.predicted)}** in {percent(pair.share, 0)} of its faces."
        for pair in taught.confused
    ]
    if pairs:
        st.markdown("\n".join(pairs))
    for sentence in taught.advice:
        st.markdown(f":material/lightbulb: {plain(sentence)}")
    for sentence in taught.notes:
        st.caption(plain(sentence))


def _details(taught: Taught) -> None:
    with st.expander("Take by take", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "class": score.class_name,
                    "take": score.number,
                    "source": score.source,
                    "faces": score.faces,
                    "predicted right when left out": percent(score.accuracy, 0),
                    "predicted": ", ".join(f"{name} {n}" for name, n in score.predicted.items()),
                }
                for score in taught.leave_one_take_out.per_take
            ],
            hide_index=True,
        )
        left_out = ", ".join(f"{plain(reason)} {n:,}" for reason, n in taught.left_out.items()) or "none"
        st.caption(
            f"{counted(taught.takes, 'take')}, {counted(taught.faces, 'face')}; pictures left out: {left_out}. "
            f"Taught on {plain(taught.base)} in {taught.seconds:.1f} s, with {counted(taught.views, 'view')} of each face."
        )
