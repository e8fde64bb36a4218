"""The class map in use, shown wherever figures depend on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from fer_core.data.class_map import describe
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


def data_caption(dataset: FaceDataset) -> None:
    """Show what figures on a page depend on: the class map, the source of the labels, and the data set's warnings."""
    class_caption(dataset)
    if dataset.warnings:
        first = dataset.warnings[0]
        if len(dataset.warnings) == 1:
            st.caption(f":material/warning: {plain(first)}")
            return
        with st.expander(f"{len(dataset.warnings)} warnings about this data", icon=":material/warning:"):
            for warning in dataset.warnings:
                st.caption(plain(warning))


def class_caption(dataset: FaceDataset) -> None:
    """Draw the class map and the source of the labels; nothing for original classes and labels."""
    words = classes_in_words(dataset)
    if words:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(plain(words), width="content")
            st.page_link("pages/data.py", label="Change on the Data page", width="content")


def classes_in_words(dataset: FaceDataset) -> str:
    """Return ``Classes: negative = angry, disgust; happy.``; empty for original classes and labels."""
    parts = []
    if dataset.class_map:
        parts.append(f"Classes: {describe(dataset.class_map)}.")
    if dataset.truth == "votes":
        parts.append("Labels: majority votes.")
    return " ".join(parts)
