"""Audit: duplicates, leaks, conflicting labels, blank images and suspect labels of the data in use."""

import streamlit as st

from pages.ui.audit.figures import exact_audit, figures_of
from pages.ui.audit.views import show
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
st.title("Audit")
st.write("Find duplicates, leaks and wrong labels before you trust a figure measured on these data.")

with error_boundary("auditing the data"):
    dataset = cache.dataset(session.data_source())
    data_caption(dataset)
    found = exact_audit(dataset)
    figures_of(dataset, found)
    show(dataset, found)
