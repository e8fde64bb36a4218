"""Filters of a layer: the pattern and top faces of one, and the patterns of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.formatting import SPLIT_NAMES
from fer_core.images import enlarge, png
from fer_core.preprocess import FACE_SIZE
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.network.choice import Network
from pages.ui.network.layers import layer_rows, shape
from pages.ui.network.state import NetworkState
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.background import Report, Stop, Task, Work, background
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain, source_name
from pages.ui.shell.session import set_widget_value, state_of, widget_value

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.explanation.filters import Patterns, TopFaces
    from fer_core.models import LayerRow

_NUMBER: Final = "network-filter"  # key of the number input
_RING: Final = 5  # pixels; radius of the ring at the peak response


def _choose_layer(network: Network) -> LayerRow:
    """Draw the choice of a convolution, initially the last one with a spatial map."""
    from fer_core.explanation.layers import last_convolution

    rows = {row.label: row for row in layer_rows(network) if row.is_convolution}
    last = last_convolution(network.classifier.model).label
    state = state_of(NetworkState)
    label = st.selectbox(
        "Convolution",
        list(rows),
        index=list(rows).index(state.layer if state.layer in rows else last),
        format_func=lambda name: f"{name} · {shape(rows[name].output)}",
        key=f"network-conv-{network.classifier.info.architecture}",
        width=320,
    )
    state.layer = label
    return rows[label]


# ------------------------------------------------------------------------------------------------ one filter


def one_filter(network: Network) -> None:
    """Draw the pattern of a filter next to the faces with the highest response."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        layer = _choose_layer(network)
        last = layer.output[0] - 1
        state = state_of(NetworkState)
        wanted = widget_value(_NUMBER, 0) if state.asked_filter is None else state.asked_filter
        state.asked_filter = None
        set_widget_value(_NUMBER, min(int(wanted), last))
        number = int(st.number_input(f"Filter (0–{last})", 0, last, step=1, key=_NUMBER, width=160))
    left, right = st.columns([1, 1], gap="large")
    with left, error_boundary("maximizing the activation"):
        _pattern(network, layer, number)
    with right, error_boundary("finding the faces"):
        _faces(network, layer, number)


@st.cache_resource(show_spinner="Maximizing the activation…", max_entries=400)
def _found(key: str, layer: str, number: int, _network: Network) -> Patterns:
    """Return the pattern of a filter, from the cached patterns of the layer if they exist."""
    from fer_core.explanation.filter_cache import read_cached_patterns
    from fer_core.explanation.filters import maximize_activation

    kept = read_cached_patterns(_network.classifier, layer, workspace=session.workspace())
    return kept.only(number) if kept else maximize_activation(_network.classifier, layer, [number])


def _pattern(network: Network, layer: LayerRow, number: int) -> None:
    from fer_core.charts import ascent_curve

    found = _found(network.key, layer.label, number, network)
    st.markdown(f"#### Pattern of filter {number}")
    if note := found.note(0):
        st.warning(plain(note), icon=":material/do_not_disturb_on:")
        return
    picture = found.cropped()[0]
    st.image(
        enlarge(picture, 336),
        width=336,
        alt=f"Pattern that maximizes filter {number} of {layer.label}",
    )
    seen = f"{picture.shape[1]}×{picture.shape[0]} pixels of the face" if picture.shape[0] < FACE_SIZE else "the face"
    st.caption(
        f"Activation maximization: gradient ascent from noise in {found.curves.shape[1]} steps, cropped to the receptive "
        f"field at the center of the map ({seen}). Final response: {found.responses[0]:.1f}."
    )
    curve = found.curves[0]
    chart(
        ascent_curve(curve, f"The response rises from {curve[0]:.1f} to {curve[-1]:.1f}"),
        key=f"network-curve-{layer.label}-{number}",
        height=220,
    )


def _faces(network: Network, layer: LayerRow, number: int) -> None:
    from fer_core.explanation.filter_cache import cached_top_faces, read_cached_top_faces

    st.markdown("#### Faces with the highest response")
    dataset = cache.dataset(session.data_source())
    data_caption(dataset)
    splits = [split for split, n in dataset.counts().items() if n]
    split = str(
        st.segmented_control(
            "Split",
            splits,
            default="valid" if "valid" in splits else splits[-1],
            format_func=lambda name: f"{SPLIT_NAMES[name]} ({dataset.counts()[name]:,})",
            required=True,
            key=f"network-split-{'-'.join(splits)}",
        )
    )
    found = read_cached_top_faces(network.classifier, dataset, split, layer.label, workspace=session.workspace())
    if found is None:

        def prepare() -> Task:
            workspace = session.workspace()
            return lambda report, stop: cached_top_faces(
                network.classifier,
                dataset,
                split,
                layer.label,
                workspace=workspace,
                on_progress=report,
                should_stop=stop,
            )

        found = background(
            "network-top",
            (network.key, dataset.cache_key, split, layer.label),
            f"Search all {dataset.counts()[split]:,} faces",
            prepare,
            doing="searching the faces",
            icon=":material/search:",
            help="Once for all filters of this layer; the result is cached.",
        )
        st.caption(f"{source_name(session.data_source())}, for all filters of {layer.label}.")
    if found is not None:
        _show_faces(found, dataset, number)


def _show_faces(found: TopFaces, dataset: FaceDataset, number: int) -> None:
    if note := found.note(number):
        st.warning(plain(note), icon=":material/do_not_disturb_on:")
    tiles = []
    for rank, position in enumerate(found.positions[number]):
        label = dataset.label_name(int(position))
        tiles.append(
            Tile(
                f"{number}-{rank}",
                ringed(dataset.images[position], *found.spot(number, rank)),
                f"{dataset.ids[position]}, labeled {label}",
                f"{label} {found.responses[number, rank]:.1f}",
                dataset.classes.color(label),
            )
        )
    gallery([Group(tiles)], key=f"network-nine-{number}", size=112)
    labels = [dataset.label_name(int(position)) for position in found.positions[number]]
    most = max(set(labels), key=labels.count)
    st.caption(
        f"Below each face: its response; the ring marks its position. {labels.count(most)} of these {len(labels)} faces are "
        f"labeled {plain(most)}."
    )


def ringed(face: npt.NDArray[np.uint8], x: float, y: float) -> npt.NDArray[np.uint8]:
    """Draw a white ring on a face at a position relative to its sides."""
    marked = face.copy()
    center = round(x * FACE_SIZE), round(y * FACE_SIZE)
    cv2.circle(marked, center, _RING + 1, 0, 1, cv2.LINE_AA)
    cv2.circle(marked, center, _RING, 255, 1, cv2.LINE_AA)
    return marked


# ------------------------------------------------------------------------------------------------ all filters


def whole_sheet(network: Network) -> None:
    """Draw the patterns of all filters of a layer, computed as a cached background task."""
    from fer_core.explanation.filter_cache import cached_patterns, read_cached_patterns

    layer = _choose_layer(network)
    found = read_cached_patterns(network.classifier, layer.label, workspace=session.workspace())
    if found is None:
        st.caption(
            f"Activation maximization finds, for each of the {layer.output[0]} filters of {layer.label}, an image with the "
            "highest response. It takes about 15 seconds, and the result is cached."
        )

        def prepare() -> Task:
            workspace = session.workspace()

            def task(report: Report, stop: Stop) -> Patterns:
                latest: list[Any] = [None]

                def keep_latest(pictures: npt.NDArray[np.uint8]) -> None:
                    latest[0] = pictures

                return cached_patterns(
                    network.classifier,
                    layer.label,
                    workspace=workspace,
                    on_progress=lambda done, total: report(done, total, latest[0]),
                    on_preview=keep_latest,
                    should_stop=stop,
                )

            return task

        found = background(
            "network-sheet",
            (network.key, layer.label),
            f"Compute {layer.output[0]} patterns",
            prepare,
            doing="maximizing the activations, step",
            icon=":material/grid_view:",
            show=_so_far,
        )
    if found is not None:
        _show_sheet(found, network)


def _so_far(work: Work) -> None:
    """Draw intermediate patterns."""
    from fer_core.explanation.contact_sheet import contact_sheet

    if work.seen is not None:
        some = work.seen[:32]
        st.image(contact_sheet(some, [str(i) for i in range(len(some))], side=48), alt="Intermediate patterns")


def _show_sheet(found: Patterns, network: Network) -> None:
    st.markdown(f"**{plain(found.sentence())}** Click one to see its faces.")
    for place in np.flatnonzero(found.dead):
        st.caption(plain(found.note(int(place))))
    st.download_button(
        "Download patterns (PNG)",
        lambda: png(found.sheet()),
        f"filters-{found.layer}.png",
        "image/png",
        icon=":material/download:",
        on_click="ignore",
    )
    tiles = [
        Tile(str(number), enlarge(picture, FACE_SIZE), f"Filter {number}", f"{number} dead" if dead else str(number))
        for number, picture, dead in zip(found.filters, found.cropped(), found.dead, strict=True)
    ]
    opened = gallery([Group(tiles)], key=f"network-sheet-{network.key[:8]}-{found.layer}", size=84).opened
    if opened is not None:
        state_of(NetworkState).asked_filter = int(opened)
        st.rerun()
