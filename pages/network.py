"""Inside the network: its layers and how their sizes follow, its weights, its answers to a face, and its filters."""

import streamlit as st

from pages.ui.network.filters import one_filter, whole_sheet
from pages.ui.network.layers import (
    ACTIVATIONS,
    FILTER,
    LAYERS,
    WEIGHTS,
    activations,
    choose,
    choose_view,
    layers,
    weights,
)
from pages.ui.shell.errors import calm
from pages.ui.shell.navigation import through_app

through_app()
st.title("Inside the network")
st.write("See how every layer gets its size, what it answers to a face, and which pattern each filter looks for.")

network = None
with calm("loading the network"):
    network = choose()
if network is not None:
    view = choose_view()
    if view == LAYERS:
        with calm("listing the layers"):
            layers(network)
    elif view == WEIGHTS:
        with calm("showing the weights"):
            weights(network)
    elif view == ACTIVATIONS:
        with calm("showing the activations"):
            activations(network)
    elif view == FILTER:
        with calm("showing the filter"):
            one_filter(network)
    else:
        with calm("showing the sheet"):
            whole_sheet(network)
