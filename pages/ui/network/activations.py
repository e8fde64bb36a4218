"""Activations of a layer for a selected face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import streamlit as st

from fer_core.images import enlarge
from fer_core.preprocess import FACE_SIZE
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.network.choice import Network
from pages.ui.network.layers import shape
from pages.ui.network.state import NetworkState
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain, source_name
from pages.ui.shell.session import state_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.explanation.layers import Activation
    from fer_core.inference import Classifier


_EACH: Final = 2  # faces of each class to choose from


def activations(network: Network) -> None:
    """Draw the activations of a layer for a selected face."""
    dataset = cache.dataset(session.data_source())
    data_caption(dataset)
    left, right = st.columns([1, 2], gap="large")
    with left:
        position = _choose_face(dataset)
    with right:
        found = _activations(network, dataset, position)
        by_label = {activation.layer.label: activation for activation in found}
        label = st.selectbox(
            "Layer",
            list(by_label),
            index=next((i for i, a in enumerate(found) if a.layer.kind not in ("Conv2d", "BatchNorm2d")), 0),
            format_func=lambda name: f"{name} · {by_label[name].layer.kind} · {shape(by_label[name].layer.output)}",
            key=f"network-layer-{network.classifier.info.architecture}",
        )
        _show_activation(by_label[label], network)


def _choose_face(dataset: FaceDataset) -> int:
    """Draw a few faces and return the clicked one, initially the first."""
    state = state_of(NetworkState)
    rng = np.random.default_rng(state.seed)
    some = [
        int(position)
        for index in range(len(dataset.classes))
        for position in rng.permutation(np.flatnonzero(dataset.labels == index))[:_EACH]
    ]
    position = state.face if state.face is not None and state.face < len(dataset) else some[0]
    label = dataset.label_name(position)
    big = enlarge(dataset.images[position], 192)
    st.image(big, width=192, alt=f"Selected face, {label}")
    st.caption(f"{plain(dataset.ids[position])}, labeled {plain(label)}")
    colors = dataset.classes.colors
    tiles = [
        Tile(str(i), dataset.images[i], str(dataset.ids[i]), dataset.label_name(i), colors[int(dataset.labels[i])])
        for i in some
    ]
    note = f"{source_name(session.data_source())}: click to choose"
    picked = gallery([Group(tiles, note=note)], key="network-faces", size=76).opened
    st.button("Other faces", icon=":material/shuffle:", on_click=state.reshuffle)
    if picked is not None:
        state.face = int(picked)
        st.rerun()
    return position


@st.cache_resource(show_spinner=False, max_entries=24)
def _answers(key: str, face: bytes, _classifier: Classifier) -> list[Activation]:
    from fer_core.explanation.layers import activations as answers

    return answers(_classifier, np.frombuffer(face, np.uint8).reshape(FACE_SIZE, FACE_SIZE))


def _activations(network: Network, dataset: FaceDataset, position: int) -> list[Activation]:
    return _answers(network.key, dataset.images[position].tobytes(), network.classifier)


def _show_activation(found: Activation, network: Network) -> None:
    from fer_core.charts import value_bars
    from fer_core.explanation.contact_sheet import to_gray

    values, key = found.values, f"network-maps-{found.layer.label}"
    if values.ndim == 1:
        active = int((values > 0).sum())
        chart(
            value_bars(values, f"{active} of {len(values)} activations are positive", network.classifier.classes),
            key=key,
            height=320,
        )
        return
    strength = np.abs(values).max(axis=(1, 2))
    silent = int((strength == 0).sum())
    st.caption(
        f"{len(values)} maps of {values.shape[1]}×{values.shape[2]}: bright is positive, dark negative, mid-gray zero, on "
        "one scale for the layer." + (f" {silent} are zero everywhere." if silent else "")
    )
    tiles = [
        Tile(str(number), enlarge(picture, FACE_SIZE, smooth=False), f"Map {number}", str(number))
        for number, picture in enumerate(to_gray(values))
    ]
    gallery([Group(tiles)], key=key, size=76)
