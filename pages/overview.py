"""Overview: what this is, what is loaded, the runs so far, and where to go next."""

import streamlit as st

from pages.ui.overview.sections import at_hand, next_steps, not_for, runs_so_far, some_faces
from pages.ui.shell.errors import calm
from pages.ui.shell.navigation import through_app

through_app()
st.title("FER Lab")
st.write(
    "Train a network that reads facial expressions, see what it gets wrong and why, and try it on a webcam. "
    "Everything runs on this machine; no picture leaves it."
)

with calm("reading what is loaded"):
    at_hand()
with calm("listing the runs"):
    runs_so_far()
with calm("listing the pages"):
    next_steps()
not_for()
with calm("loading the data in use"):
    some_faces()
