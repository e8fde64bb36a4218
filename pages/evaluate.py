"""Evaluate: the confusion matrix of a model, the faces in each cell, and how far to trust its figures."""

import streamlit as st

from pages.ui.evaluate.header import choose, headline, nothing_to_evaluate
from pages.ui.evaluate.views import show
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Evaluate")
st.write("See which expressions a model confuses, open any cell to see its faces, and correct wrong labels.")

subject = None
with error_boundary("evaluating the model"):
    subject = choose()
    if subject is None:
        nothing_to_evaluate()
if subject is not None:
    with error_boundary("showing the evaluation"):
        headline(subject)
        show(subject)
