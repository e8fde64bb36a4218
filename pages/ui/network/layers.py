"""The layer table: how each size and each number of parameters comes about."""

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
