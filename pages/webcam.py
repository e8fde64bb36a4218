"""Webcam: expressions live, in this browser window, on this machine."""

import streamlit as st

from pages.ui.components.full_screen import full_screen_button
from pages.ui.live.camera import camera, live_session
from pages.ui.live.controls import controls
from pages.ui.model.question import question
from pages.ui.shell import cache
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.identity import machine
from pages.ui.shell.navigation import require_app
from pages.ui.shell.session import state_of
from pages.ui.webcam.game import choose_view
from pages.ui.webcam.state import WebcamState
from pages.ui.webcam.views import beside, invitation

require_app()
model = cache.photo_model()
with st.container(key="webcam"):
    with st.container(horizontal=True, vertical_alignment="center", key="webcam-head"):
        st.title("Webcam", width="content")
        if model is not None:
            with error_boundary("reading the model"):
                question(model)
            full_screen_button()
    if model is None:
        st.info("There is no model yet. Train one first.", icon=":material/model_training:")
        st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
    else:
        with error_boundary("starting the live view"):
            state = state_of(WebcamState)
            live = live_session(state, model)
            video, side = st.columns([5, 2], gap="medium")
            with video:
                camera(live, state, invitation)
                controls(live, state)
            with side:
                choose_view(live)
                beside(live)
    st.caption(
        f"Frames stay on {machine()}, and only a recording or a snapshot is saved. A facial expression is not an emotion. "
        "Point the camera at yourself, not at pupils, staff or applicants: inferring emotions of people at work or in "
        "education is prohibited in the European Union (AI Act, Article 5(1)(f))."
    )
