"""Inside the network: layers and their sizes, weights, activations, and filters."""

import streamlit as st

from pages.ui.network.choice import choose
from pages.ui.network.views import show
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Inside the network")
st.write("See how every layer gets its size, how it responds to a face, and which pattern each filter detects.")

network = None
with error_boundary("loading the network"):
    network = choose()
if network is not None:
    show(network)
