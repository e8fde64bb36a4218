"""Data: bring faces, count them, look at them, and make them the data in use."""

import streamlit as st

from pages.ui.data.dataset import show_dataset
from pages.ui.data.reading import read_source
from pages.ui.data.source import choose_source
from pages.ui.data.state import DataState
from pages.ui.shell import cache, session
from pages.ui.shell.errors import calm
from pages.ui.shell.navigation import through_app

through_app()
st.title("Data")
st.write("Bring a set of faces, see how many there are of each class and what they look like, and use it everywhere.")

with calm("choosing a source"):
    choose_source()

source = session.state_of(DataState).viewed
with calm("loading the data"):
    own = read_source(source)
    if own is not None:
        show_dataset(source, own, cache.dataset(source))
