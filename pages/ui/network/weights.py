"""The kernels of the first convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from fer_core.images import enlarge
from fer_core.preprocess import FACE_SIZE
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.network.choice import Network
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    pass


def weights(network: Network) -> None:
    """Draw the kernels of the first convolution, whose input is the image."""
    from fer_core.explanation.contact_sheet import to_gray
    from fer_core.explanation.layers import convolutions
    from fer_core.explanation.layers import weights as kernels

    row = convolutions(network.classifier.model)[0]
    found = kernels(network.classifier.model, row)
    st.markdown(f"#### {len(found)} kernels of {plain(row.label)}")
    st.caption(
        f"Each kernel has {found.shape[2]}×{found.shape[3]} weights: bright is positive, dark negative, mid-gray zero. "
        + (
            "Training turns noise into oriented edges, spots and smooth patches."
            if network.trained
            else "Untrained weights are noise."
        )
    )
    tiles = [
        Tile(str(number), enlarge(picture, FACE_SIZE, smooth=False), f"Kernel {number}", str(number))
        for number, picture in enumerate(to_gray(found[:, 0]))
    ]
    gallery([Group(tiles)], key=f"network-weights-{network.key[:8]}", size=76)
