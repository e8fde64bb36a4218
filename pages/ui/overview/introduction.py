"""The top of the Overview page: what FER Lab is, the first steps, and a sample with predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.formatting import SPLIT_NAMES, percent, percent_with_interval
from pages.ui.model.sample import annotated_sample, sample_path
from pages.ui.model.sensitivity import chosen_or_own_sensitivity
from pages.ui.shell import cache, session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain
from pages.ui.shell.identity import machine

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_SAMPLE: Final = "five-portraits.jpg"


def introduction() -> DeltaGenerator:
    """Draw headline, first steps and the plain sample; returns the place of the sample."""
    text, image = st.columns([5, 6], gap="large", vertical_alignment="center")
    with text:
        st.title("See how a network reads a face, and when to trust it")
        st.markdown(
            "Train a network on FER2013 or your own faces, find out what it confuses and why, and try it on a webcam. "
            f"Everything runs on {machine()}."
        )
        with st.container(horizontal=True, gap="small", key="overview-actions"):
            st.page_link("pages/webcam.py", label="Open the webcam", icon=":material/videocam:")
            st.page_link("pages/upload.py", label="Drop a photo", icon=":material/add_photo_alternate:")
            st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
        with error_boundary("reading the model"):
            _reliability()
    with image:
        place = st.empty()
        place.image(str(sample_path(_SAMPLE)), alt="Five drawn sample faces", width="stretch")
    return place


def annotate_sample(place: DeltaGenerator) -> None:
    """Replace the plain sample by one with the predictions of the model for photographs.

    Raises:
        ModelError: The model is damaged.
    """
    model = cache.photo_model()
    if model is not None:
        sample = annotated_sample(_SAMPLE, model)
        place.image(sample.image, alt=sample.description, width="stretch")


def _reliability() -> None:
    """How far the model in use can be trusted: agreement with people from its card, or its accuracy."""
    from fer_core.inference import read_info, resolve_model
    from fer_core.inference.card import card_agreement

    model = cache.photo_model()
    if model is None:
        st.caption("There is no trained model yet.")
        return
    info = read_info(resolve_model(model, session.workspace()))
    sensitivity = chosen_or_own_sensitivity(info)
    found = card_agreement(model, sensitivity) or card_agreement(model, info.sensitivity)
    if found is not None:
        st.caption(
            f"**{plain(model)}**, the network for photos and the webcam, agrees with a random rater "
            f"{percent(found.model)} of the time; another person does {percent(found.person)}.",
            help=f"Measured on {found.n:,} faces of FER2013's {found.split} set, each labeled by ten people, its raters (FER+). The "
            f"model card, assets/models/{plain(model)}.md, has the details.",
        )
        return
    name = plain(cache.models()[model])
    for split in ("test", "honest", "valid"):
        figures = info.metrics.get(split)
        if not isinstance(figures, dict) or not isinstance(figures.get("accuracy"), float):
            continue
        if split == "valid" and info.protocol == "leaky":
            continue
        accuracy = percent_with_interval(figures["accuracy"], figures.get("accuracy_ci95"))
        faces = "faces it was never trained on" if split == "honest" else f"{SPLIT_NAMES[split]} faces"
        st.caption(
            f"**{name}**, the network for photos and the webcam, classifies {accuracy} of the {faces} correctly."
        )
        return
    st.caption(f"**{name}**, the network for photos and the webcam, is not evaluated yet.")
