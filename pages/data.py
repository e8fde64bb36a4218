"""Data: bring faces, count them, look at them, and make them the data in use."""

import streamlit as st

from pages.ui import resources, state
from pages.ui.data_view import choose_source, show_dataset
from pages.ui.errors import calm
from pages.ui.navigation import through_app

through_app()
st.title("Data")
st.write("Bring a set of faces, see how many there are of each emotion and what they look like, and use it everywhere.")

with calm("choosing a source"):
    choose_source()

source = state.viewed_data()
with calm("loading the data"):
    dataset = resources.dataset(source)
    show_dataset(source, dataset)
