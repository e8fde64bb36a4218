"""The slider of the sensitivity, one value for all pages.

What it means stands in :mod:`fer_core.inference.sensitivity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from pages.ui.shell import cache, session
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.inference import Classifier

_KEY: Final = "sensitivity"
_STEP: Final = 0.05
_MEANING: Final = "0 judges as people judge everyday photographs; 1 as if every expression were equally likely."


def sensitive_classifier(model: str) -> Classifier:
    """The model at the sensitivity chosen for all pages; at its own where none is chosen or it cannot be changed.

    Raises:
        ModelError: there is no such model, or the file is damaged.
    """
    own, chosen = cache.classifier(model), session.chosen_sensitivity()
    return own if chosen is None or not own.has_sensitivity else cache.classifier(model, chosen)


def sensitivity_slider(model: str) -> None:
    """The slider, for a model whose sensitivity can be changed; a change reruns the page or fragment it stands in.

    Raises:
        ModelError: there is no such model, or the file is damaged.
    """
    own = cache.classifier(model)
    if not own.has_sensitivity:
        return
    # The slider keeps its key and takes its value from here: it is the same on all pages.
    session.set_widget_value(_KEY, sensitive_classifier(model).sensitivity)
    st.slider(
        "Sensitivity",
        0.0,
        1.0,
        step=_STEP,
        key=_KEY,
        on_change=_use_moved,
        help=f"The value holds on all pages and stands beside every result. {plain(model)}'s own is {own.sensitivity:g}.",
    )
    st.caption(_MEANING)


def _use_moved() -> None:
    session.use_sensitivity(session.widget_value(_KEY))
