"""The parts of the Inside the network page: choosing a network, its layer table, its first weights, its activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.classes import COLOURS, LABELS
from fer_core.preprocess import FACE_SIZE
from pages.ui.components.gallery.pick_wall import Group, Tile, pick_wall
from pages.ui.network.state import NetworkState
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain, source_name
from pages.ui.shell.model_picker import model_box
from pages.ui.shell.session import preset_widget, set_widget_value, state_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.explanation.layers import Activation
    from fer_core.inference import Classifier
    from fer_core.models import LayerRow

LAYERS: Final = "Layers"
WEIGHTS: Final = "First weights"
ACTIVATIONS: Final = "Activations"
FILTER: Final = "One filter"
SHEET: Final = "All filters"
_VIEWS: Final = (LAYERS, WEIGHTS, ACTIVATIONS, FILTER, SHEET)
_UNTRAINED: Final = "untrained:"
_EACH: Final = 2  # faces of each emotion to choose from
_VIEW: Final = "network-view"
FILTER_NUMBER: Final = "network-filter"
"""Key of the widget that holds the filter's number."""


@dataclass(frozen=True, eq=False)
class Network:
    """The network that is looked into.

    Attributes:
        name: what people call it.
        classifier: shared with other windows; nothing here changes it.
        key: identity of its weights.
        trained: whether it is more than an architecture with random weights.
    """

    name: str
    classifier: Classifier
    key: str
    trained: bool


def choose() -> Network:
    """Pick a model, or an architecture that was never trained.

    Raises:
        ModelError: the model's file is damaged.
    """
    names = cache.models()
    names |= {f"{_UNTRAINED}{name}": f"{name}, untrained" for name in cache.architectures()}
    chosen = model_box(
        "Network",
        names,
        key="network",
        width=420,
        help="Every model that can be used, and every architecture with random weights, to see what training changes.",
    )
    trained = not chosen.startswith(_UNTRAINED)
    classifier = (
        cache.classifier(chosen) if trained else cache.untrained(chosen.removeprefix(_UNTRAINED))
    )  # fmt: skip
    from fer_core.explanation.filters import network_key

    return Network(names[chosen], classifier, network_key(classifier), trained)


def choose_view() -> str:
    """What is looked at."""
    state = state_of(NetworkState)
    if state.asked_filter is not None:  # a widget's value can only be set before it is drawn
        set_widget_value(_VIEW, FILTER)
        set_widget_value(FILTER_NUMBER, state.asked_filter)
        state.asked_filter = None
    preset_widget(_VIEW, LAYERS)
    return str(st.segmented_control("Look at", _VIEWS, required=True, key=_VIEW, label_visibility="collapsed"))


def open_filter(number: int) -> None:
    """Begin the page again with this filter of the layer shown just now."""
    state_of(NetworkState).asked_filter = number
    st.rerun()


# ------------------------------------------------------------------------------------------------ layers


@st.cache_resource(show_spinner=False, max_entries=16)
def _rows(key: str, _classifier: Classifier) -> list[LayerRow]:
    from fer_core.models import describe

    return describe(_classifier.model)


def layer_rows(network: Network) -> list[LayerRow]:
    """The layers in the order in which a face passes them; measured once."""
    return _rows(network.key, network.classifier)


def layers(network: Network) -> None:
    """The layer table, with how each size and each number of parameters comes about."""
    rows = layer_rows(network)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Parameters", f"{sum(row.parameters for row in rows if row.call == 1):,}", width="content")
        st.metric(
            "Multiply-accumulates",
            f"{sum(row.macs for row in rows) / 1e6:.1f} million",
            help="For one face, in convolutions and linear layers.",
            width="content",
        )
        st.metric("Layers", f"{len(rows)}", help="Activations, norms and poolings counted.", width="content")
    st.latex(r"W' = \left\lfloor \frac{W + 2P - K}{S} \right\rfloor + 1")
    st.caption(
        "The side W of a square map, the padding P on each edge, the kernel's side K and the stride S give the side W′ "
        "of the next map. The column *How the side follows* puts each layer's own numbers in."
    )
    st.dataframe(
        [
            {
                "Layer": row.label,
                "Kind": row.kind,
                "In": shape(row.input),
                "Out": shape(row.output),
                "How the side follows": row.derivation,
                "Parameters": row.parameters if row.call == 1 else 0,
                "How many": row.weights,
                "Multiply-accumulates": row.macs,
            }
            for row in rows
        ],
        hide_index=True,
        height=38 + 35 * len(rows),
        column_config={
            "Layer": st.column_config.TextColumn(pinned=True),
            "Kind": st.column_config.TextColumn(width=140),
            "How the side follows": st.column_config.TextColumn(width="medium"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "How many": st.column_config.TextColumn(width=160),
            "Multiply-accumulates": st.column_config.NumberColumn(format="localized"),
        },
    )


def shape(sides: Sequence[int]) -> str:
    """``128 × 6 × 6``."""
    return " × ".join(str(side) for side in sides)


# ------------------------------------------------------------------------------------------------ weights


def weights(network: Network) -> None:
    """The kernels of the first convolution, which look at the face's own pixels."""
    from fer_core.explanation.layers import convolutions
    from fer_core.explanation.layers import weights as kernels
    from fer_core.explanation.pictures import grey

    row = convolutions(network.classifier.model)[0]
    found = kernels(network.classifier.model, row)
    st.markdown(f"#### The {len(found)} kernels of {plain(row.label)}")
    st.caption(
        f"Each is {found.shape[2]}×{found.shape[3]} numbers that slide over the face: bright adds, dark takes away, "
        "mid-grey is zero. "
        + (
            "Edges of one direction, spots and soft patches are what training makes of noise."
            if network.trained
            else "Nobody trained these: they are noise."
        )
    )
    tiles = [
        Tile(str(number), enlarge(picture, smooth=False), f"Kernel {number}", str(number))
        for number, picture in enumerate(grey(found[:, 0]))
    ]
    pick_wall([Group(tiles)], key=f"network-weights-{network.key[:8]}", size=76, selectable=False)


def enlarge(picture: npt.NDArray[np.uint8], *, smooth: bool) -> npt.NDArray[np.uint8]:
    """A small grey picture as one of a face's size, uint8 (48, 48)."""
    method = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, (FACE_SIZE, FACE_SIZE), interpolation=method), dtype=np.uint8)


# ------------------------------------------------------------------------------------------------ activations


def activations(network: Network) -> None:
    """What any layer answers to a face that somebody chose."""
    dataset = cache.dataset(session.data_source())
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
    """A click on one of a few faces; the first one stands for all until then."""
    state = state_of(NetworkState)
    rng = np.random.default_rng(state.seed)
    some = [
        int(position)
        for index in range(len(LABELS))
        for position in rng.permutation(np.flatnonzero(dataset.labels == index))[:_EACH]
    ]
    position = state.face if state.face is not None and state.face < len(dataset) else some[0]
    label = LABELS[dataset.labels[position]]
    big = cv2.resize(dataset.images[position], (192, 192), interpolation=cv2.INTER_CUBIC)
    st.image(big, width=192, alt=f"The chosen face, {label}")
    st.caption(f"{plain(dataset.ids[position])}, labelled {label}")
    tiles = [
        Tile(str(i), dataset.images[i], str(dataset.ids[i]), LABELS[dataset.labels[i]], COLOURS[LABELS[dataset.labels[i]]])
        for i in some
    ]  # fmt: skip
    note = f"{source_name(session.data_source())}: click to choose"
    picked = pick_wall([Group(tiles, note=note)], key="network-faces", size=76, selectable=False).opened
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
    from fer_core.explanation.charts import value_bars
    from fer_core.explanation.pictures import grey

    values, key = found.values, f"network-maps-{found.layer.label}"
    if values.ndim == 1:
        active = int((values > 0).sum())
        labels: Any = network.classifier.labels
        chart(value_bars(values, f"{active} of {len(values)} numbers are above zero", labels), key=key, height=320)
        return
    strength = np.abs(values).max(axis=(1, 2))
    silent = int((strength == 0).sum())
    st.caption(
        f"{len(values)} maps of {values.shape[1]}×{values.shape[2]}: bright is above zero, dark below, mid-grey is zero; "
        "one scale for the whole layer." + (f" {silent} are zero everywhere." if silent else "")
    )
    tiles = [
        Tile(str(number), enlarge(picture, smooth=False), f"Map {number}", str(number))
        for number, picture in enumerate(grey(values))
    ]
    pick_wall([Group(tiles)], key=key, size=76, selectable=False)
