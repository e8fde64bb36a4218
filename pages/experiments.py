"""Experiments: break something on purpose; predict first, run it, and read why."""

import streamlit as st

from pages.ui.learn.experiments import choose, outcome, predict
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Experiments")
st.write(
    "Break something on purpose. Predict what will happen, run it on a few thousand faces, and read what came of it."
)

with error_boundary("showing the experiment"):
    experiment = choose()
    prediction = predict(experiment)
    outcome(experiment, prediction)
