"""Overview: what FER Lab does, shown on a sample, the last run and the data in use."""

import streamlit as st

from pages.ui.overview.cards import status_cards
from pages.ui.overview.introduction import annotate_sample, introduction
from pages.ui.overview.notice import usage_notice
from pages.ui.review.rows import sample_faces
from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app

require_app()
with st.container(key="overview"):
    sample = introduction()
    with error_boundary("showing the last run and the data"):
        status_cards()
    usage_notice()
    with error_boundary("loading the data in use"):
        st.subheader("Sample faces")
        if sample_faces(session.data_source(), key="overview-faces"):
            st.switch_page("pages/data.py")
    # Last, since it loads the network: the plain photograph is on the page until then.
    with error_boundary("predicting the sample"):
        annotate_sample(sample)
