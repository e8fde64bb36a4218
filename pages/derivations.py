"""Derivations: the mathematics behind the network, step by step, each formula checked live on numbers of your choice."""

import streamlit as st

from pages.ui.learn.derivations import choose, decide, explain, numbers, verdicts
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Derivations")
st.write(
    "The mathematics behind the network, step by step. Each formula is checked here and now against central differences "
    "and against PyTorch's own gradients; the lab report's versions stand beside ours, and the check decides."
)

with error_boundary("checking the formulas"):
    verdicts()
    formula = choose()
    explain(formula)
    with error_boundary("putting numbers into the formula"):
        inputs, classes = numbers(formula)
        decide(formula, inputs, classes)
