"""The target of the model on Upload and Webcam, and a button that switches to a model with the other target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from pages.ui.shell import cache, session
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.inference import CheckpointInfo

_FER2013: Final = "FER2013"  # prefix of the names of its data
_PEOPLE: Final = "-people"  # suffix of shipped models trained on votes


def question(model: str) -> None:
    """Draw what the model predicts, and a button for a model with the other target.

    Raises:
        ModelError: the model does not exist, or its file is damaged.
    """
    info = _info(model)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="model-question"):
        st.caption(f":material/help: **{plain(_name(model))}** predicts {_meaning(info)}.", width="content")
        other = other_model(model)
        if other is not None:
            st.button(
                f"Switch to {plain(_name(other))}",
                icon=":material/swap_horiz:",
                type="tertiary",
                help=f"It predicts {_meaning(_info(other))}.",
                on_click=_turn_to,
                args=(other,),
                key="ask-other-model",
            )


def other_model(model: str) -> str | None:
    """Return a model with the other target: the counterpart of this model, else the best shipped one, else None."""
    target, available = _info(model).target, cache.models()
    candidates = (
        (model.removesuffix(_PEOPLE), f"{model}:labels", "compact")
        if target == "votes"
        else (model + _PEOPLE, model.removesuffix(":labels"), f"compact{_PEOPLE}")
    )
    return next((name for name in candidates if name in available and _info(name).target != target), None)


def _turn_to(model: str) -> None:
    """Use a model; the default of these pages needs no explicit choice, which would affect other pages."""
    session.use_model(None)
    if cache.photo_model() != model:
        session.use_model(model)


def _name(model: str) -> str:
    """Display name of a model."""
    return cache.models().get(model, model)


def _info(model: str) -> CheckpointInfo:
    from fer_core.inference import read_info, resolve_model

    return read_info(resolve_model(model, session.workspace()))


def _meaning(info: CheckpointInfo) -> str:
    """Return what the model predicts: ``how ten people would label a face``."""
    if info.target == "votes":
        return f"how {'ten people' if info.data_name.startswith(_FER2013) else 'people'} would label a face"
    if info.data_name.startswith(_FER2013):
        return "the FER2013 label of a face"
    return f"the label of a face in {plain(info.data_name) or 'its training data'}"
