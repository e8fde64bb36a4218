"""The layer table with the derivation of each size and parameter count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.network.choice import Network

if TYPE_CHECKING:
    from fer_core.inference import Classifier
    from fer_core.models import LayerRow


@st.cache_resource(show_spinner=False, max_entries=16)
def _rows(key: str, _classifier: Classifier) -> list[LayerRow]:
    from fer_core.models import describe

    return describe(_classifier.model)


def layer_rows(network: Network) -> list[LayerRow]:
    """Return the layers in forward order; measured once per network."""
    return _rows(network.key, network.classifier)


def layers(network: Network) -> None:
    """Draw the layer table with the derivation of each output size and parameter count."""
    rows = layer_rows(network)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Parameters", f"{sum(row.parameters for row in rows if row.call == 1):,}", width="content")
        st.metric(
            "Multiply-accumulates",
            f"{sum(row.macs for row in rows) / 1e6:.1f} million",
            help="Per face, in convolutions and linear layers.",
            width="content",
        )
        st.metric("Layers", f"{len(rows)}", help="Including activations, normalization and pooling.", width="content")
    st.latex(r"W' = \left\lfloor \frac{W + 2P - K}{S} \right\rfloor + 1")
    st.caption(
        "A W×W map with padding P, kernel size K and stride S gives a W′×W′ map. The column *Output size* inserts the "
        "numbers of each layer."
    )
    place = st.container(key="network-layers")
    place.dataframe(
        [
            {
                "Layer": row.label,
                "Kind": row.kind,
                "Input": shape(row.input),
                "Output": shape(row.output),
                "Output size": row.derivation,
                "Parameters": row.parameters if row.call == 1 else 0,
                "Weights": row.weights,
                "Multiply-accumulates": row.macs,
            }
            for row in rows
        ],
        hide_index=True,
        height=38 + 35 * len(rows),
        column_config={
            "Layer": st.column_config.TextColumn(pinned=True),
            "Kind": st.column_config.TextColumn(width=140),
            "Output size": st.column_config.TextColumn(width="medium"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Weights": st.column_config.TextColumn(width=160),
            "Multiply-accumulates": st.column_config.NumberColumn(format="localized"),
        },
    )


def shape(sides: Sequence[int]) -> str:
    """Return a shape as ``128 × 6 × 6``."""
    return " × ".join(str(side) for side in sides)
