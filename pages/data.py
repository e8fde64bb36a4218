"""Data: load, inspect and use a data set."""

import streamlit as st

from pages.ui.data.dataset import show_dataset
from pages.ui.data.reading import read_source
from pages.ui.data.source import choose_source
from pages.ui.data.state import DataState
from pages.ui.shell import cache, session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Data")
st.write("Load a data set, inspect its classes and faces, and use it on every page.")

with error_boundary("choosing a source"):
    choose_source()

source = session.state_of(DataState).viewed
with error_boundary("loading the data"):
    own = read_source(source)
    if own is not None:
        show_dataset(source, own, cache.dataset(source))
