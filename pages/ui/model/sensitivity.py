"""The sensitivity slider, one value for all pages; see :mod:`fer_core.inference.sensitivity`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from pages.ui.shell import cache, session
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.inference import CheckpointInfo, Classifier

_KEY: Final = "sensitivity"
_STEP: Final = 0.05
_COMPACT_WIDTH: Final = 150  # pixels
_MEANING: Final = "0 judges as people judge everyday photos; 1 as if every expression were equally likely."


def sensitive_classifier(model: str) -> Classifier:
    """Return the model at the sensitivity chosen for all pages, or at its own without a choice or a prior.

    Raises:
        ModelError: the model does not exist, or its file is damaged.
    """
    own, chosen = cache.classifier(model), session.chosen_sensitivity()
    return own if chosen is None or not own.has_sensitivity else cache.classifier(model, chosen)


def chosen_or_own_sensitivity(info: CheckpointInfo) -> float:
    """Return the sensitivity of a model on all pages, without loading its weights."""
    chosen = session.chosen_sensitivity()
    return info.sensitivity if chosen is None or not info.prior else chosen


def sensitivity_slider(model: str, *, compact: bool = False) -> None:
    """Draw the slider if the model has a prior of different shares; a change reruns the surrounding page or fragment.

    Args:
        model: Name or run id.
        compact: Narrow, with the explanation in the tooltip.

    Raises:
        ModelError: the model does not exist, or its file is damaged.
    """
    own = cache.classifier(model)
    if not own.has_sensitivity or len(set(own.info.prior)) == 1:  # with equal shares it changes nothing
        return
    about = f"The value holds on all pages and is shown with every result. {plain(model)}'s own is {own.sensitivity:g}."
    # A slider per model: given a new value, one slider for all would report its old value as a person's choice.
    key = f"{_KEY}-{model}"
    st.slider(
        "Sensitivity",
        0.0,
        1.0,
        sensitive_classifier(model).sensitivity,
        _STEP,
        key=key,
        on_change=_use_moved,
        args=(key,),
        help=f"{_MEANING} {about}" if compact else about,
        width=_COMPACT_WIDTH if compact else "stretch",
    )
    if not compact:
        st.caption(_MEANING)


def _use_moved(key: str) -> None:
    session.use_sensitivity(session.widget_value(key))
