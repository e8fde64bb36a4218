"""Derivations: the mathematics behind the network, step by step, each formula checked live on numbers of your choice."""

import streamlit as st

from pages.ui.learn.derivations import choose, decide, explain, numbers, verdicts
from pages.ui.shell.errors import calm
from pages.ui.shell.navigation import through_app

through_app()
st.title("Derivations")
st.write(
    "The mathematics behind the network, step by step. Each formula is checked here and now against central differences "
    "and against PyTorch's own gradients; the lab report's versions stand beside ours, and the check decides."
)

with calm("checking the formulas"):
    verdicts()
    formula = choose()
    explain(formula)
    with calm("putting numbers into the formula"):
        inputs, classes = numbers(formula)
        decide(formula, inputs, classes)
