"""Derivations: the mathematics behind the network, step by step, each formula checked live on your numbers."""

import streamlit as st

from pages.ui.learn.derivations import choose, decide, explain, numbers, verdicts
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Derivations")
st.write(
    "The mathematics behind the network, step by step. Every formula is checked live against central differences and "
    "PyTorch's autograd. The check decides between our version and the one of the lab report."
)

with error_boundary("checking the formulas"):
    verdicts()
    formula = choose()
    explain(formula)
    with error_boundary("evaluating the formula"):
        inputs, classes = numbers(formula)
        decide(formula, inputs, classes)
