"""Teach: own expression classes from short takes of one's face, tested on takes the model has not seen."""

import streamlit as st

from pages.ui.shell.errors import error_boundary
from pages.ui.shell.identity import machine
from pages.ui.shell.navigation import require_app
from pages.ui.teach.views import teach_page

require_app()
with st.container(key="teach"), error_boundary("drawing the page"):
    teach_page()
st.caption(
    f"Everything stays on {machine()}, and nothing is kept before the first *Record*. A **neutral baseline** (in the live view) "
    "corrects a network for your resting face; **Teach** makes a network of your own classes. A facial expression is not an "
    "emotion. Record only yourself, or people who agree: inferring emotions of people at work or in education is prohibited in "
    "the European Union (AI Act, Article 5(1)(f))."
)
