"""Data set view: counts, warnings, class map, balance and samples, with the button to use the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.data.balance import balance
from pages.ui.data.class_map import arrange_classes
from pages.ui.data.samples import show_samples
from pages.ui.review.classes import class_caption
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import is_built_in, plain, source_name
from pages.ui.shell.identity import server_mode

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


def show_dataset(source: str, own: FaceDataset, dataset: FaceDataset) -> None:
    """Show a loaded data set, with the button to use it on all pages.

    Args:
        source: where it was read from.
        own: the data set with the classes of its source.
        dataset: the same faces with the current class map.
    """
    in_use = source == session.data_source()
    if not is_built_in(source) and source not in session.recent_sources():
        session.remember_source(source)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(plain(source_name(source) if is_built_in(source) else dataset.name), width="content")
        if in_use:
            st.badge("In use", icon=":material/check:", color="green")
        elif st.button("Use this data", type="primary", icon=":material/check:"):
            session.use_data(source)
            session.notify(f"Now using {source_name(source)}.")
            st.rerun()
        if not is_built_in(source) and st.button(
            "Reload", icon=":material/refresh:", type="tertiary", help="Reads the files again after a change."
        ):
            cache.evict_dataset(source)
            st.rerun()
    with st.container(horizontal=True, gap="medium"):
        st.metric("Faces", f"{len(dataset):,}", width="content")
        for split, n in dataset.counts().items():
            st.metric(split.capitalize(), f"{n:,}", width="content")
        st.metric("Classes", f"{len(dataset.classes):,}", width="content")
        if dataset.groups is not None:
            known = len(set(dataset.groups.tolist()) - {""})
            st.metric(
                "Persons",
                f"{known:,}",
                help="Persons, sessions or takes, found from the folders. A held-out validation split keeps each of them on "
                "one side.",
                width="content",
            )
        if dataset.votes is not None:
            voted = int((dataset.votes.sum(axis=1) > 0).sum())
            st.metric("With FER+ votes" if "NF" in own.vote_columns else "With votes", f"{voted:,}", width="content")
    for warning in dataset.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    class_caption(dataset)
    if not dataset.counts()["valid"]:
        sides = (
            ", keeping each person on one side" if dataset.groups is not None else ", keeping duplicates on one side"
        )
        st.info(
            f"No validation split. Training holds out a share of the training faces{sides}.",
            icon=":material/call_split:",
        )
    arrange_classes(own, dataset)
    balance(dataset)
    show_samples(dataset)
    with st.expander("Dataset fingerprint", icon=":material/fingerprint:"):
        st.write("SHA-256 of all pixels, labels and splits. Trained models store it.")
        st.code(dataset.fingerprint, language=None, wrap_lines=True)
        if not is_built_in(source) and server_mode() == "local":
            st.code(source, language=None, wrap_lines=True)
