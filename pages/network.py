"""Inside the network: its layers and how their sizes follow, its weights, its answers to a face, and its filters."""

import streamlit as st

from pages.ui.network.choice import choose
from pages.ui.network.views import show
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Inside the network")
st.write("See how every layer gets its size, what it answers to a face, and which pattern each filter looks for.")

network = None
with error_boundary("loading the network"):
    network = choose()
if network is not None:
    show(network)
