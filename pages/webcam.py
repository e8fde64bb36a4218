"""Webcam: expressions live, in this browser window, on this machine."""

import streamlit as st

from pages.ui.model.question import question
from pages.ui.shell import cache
from pages.ui.shell.errors import calm
from pages.ui.shell.navigation import through_app
from pages.ui.webcam.camera import beside, camera, live_session
from pages.ui.webcam.controls import controls
from pages.ui.webcam.game import choose_view

through_app()
st.title("Webcam")
st.write(
    "Watch expressions live. The pictures stay on this machine: nothing is sent anywhere, nothing is kept unless you record."
)
st.caption(
    "A facial expression is not an emotion. Point the camera at yourself, not at pupils, staff or applicants: inferring "
    "emotions of people at work or in education is prohibited in the European Union (AI Act, Article 5(1)(f))."
)

model = cache.photo_model()
if model is None:
    st.info("There is no model yet. Train one first.", icon=":material/model_training:")
    st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
else:
    with calm("starting the live view"):
        question(model)
        live = live_session(model)
        choose_view(live)
        picture, side = st.columns([3, 2], gap="large")
        with picture:
            camera(live)
            controls(live)
        with side:
            beside(live)
