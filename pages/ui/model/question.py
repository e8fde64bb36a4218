"""Which question the model on Upload and Webcam answers, and the way to a model that answers the other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from pages.ui.shell import cache, session
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.inference import CheckpointInfo

_FER2013: Final = "FER2013"  # what the names of data from there begin with
_PEOPLE: Final = "-people"  # ends the names of shipped models trained on votes


def question(model: str) -> None:
    """One sentence on what the model's predictions mean, and a button for the other question where a model answers it.

    Raises:
        ModelError: there is no such model, or the file is damaged.
    """
    info = _info(model)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="model-question"):
        st.caption(f":material/help: **{plain(_name(model))}** predicts {_meaning(info)}.", width="content")
        other = other_model(model)
        if other is not None:
            st.button(
                f"Ask {plain(_name(other))} instead",
                icon=":material/swap_horiz:",
                type="tertiary",
                help=f"It predicts {_meaning(_info(other))}.",
                on_click=_turn_to,
                args=(other,),
                key="ask-other-model",
            )


def other_model(model: str) -> str | None:
    """A model that answers the other question: the model's twin, else the best that is shipped; None if there is none."""
    target, available = _info(model).target, cache.models()
    candidates = (
        (model.removesuffix(_PEOPLE), f"{model}:labels", "compact")
        if target == "votes"
        else (model + _PEOPLE, model.removesuffix(":labels"), f"compact{_PEOPLE}")
    )
    return next((name for name in candidates if name in available and _info(name).target != target), None)


def _turn_to(model: str) -> None:
    """Use a model; what these pages take by themselves needs no choice, which would hold on the other pages too."""
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
    """What its predictions mean: ``what ten people would say of a face``."""
    if info.target == "votes":
        return f"what {'ten people' if info.data_name.startswith(_FER2013) else 'people'} would say of a face"
    if info.data_name.startswith(_FER2013):
        return "what FER2013's label of a face would be"
    return f"what the label of a face in {plain(info.data_name) or 'its training data'} would be"
