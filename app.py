"""FER Lab: ``streamlit run app.py``."""

import streamlit as st

from pages.ui.errors import calm, show_complaint
from pages.ui.navigation import navigation, run_page
from pages.ui.sidebar import sidebar

st.set_page_config(page_title="FER Lab", page_icon=":material/sentiment_satisfied:", layout="wide")

page = navigation()
with calm("drawing the sidebar"):
    sidebar()
show_complaint()
with calm(f"showing the page {page.title}"):
    run_page(page)
