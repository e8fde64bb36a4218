"""Experiments: break something on purpose; predict the outcome, run it, and read the explanation."""

import streamlit as st

from pages.ui.learn.experiments import choose, outcome, predict
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Experiments")
st.write("Break something on purpose: predict the outcome, run it on a few thousand faces, and read the explanation.")

with error_boundary("showing the experiment"):
    experiment = choose()
    prediction = predict(experiment)
    outcome(experiment, prediction)
