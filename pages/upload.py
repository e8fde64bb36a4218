"""Upload: predictions for every face in a photo, folder or video, with explanations and their sanity checks."""

import streamlit as st

from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import UploadSource, require_app
from pages.ui.upload.analysis import photographs
from pages.ui.upload.folder import folder
from pages.ui.upload.source import choose_sensitivity, choose_source, model_or_none
from pages.ui.upload.video import video

require_app()
st.title("Upload")
st.write(
    "Drop in photos to see what the network predicts for every face, which pixels it relied on, and how far to trust "
    "the map."
)

source = choose_source()
model = None
with error_boundary("loading the model"):
    model = model_or_none()
    if model is not None:
        choose_sensitivity(model)

if model is None:
    pass
elif source == UploadSource.FOLDER:
    with error_boundary("processing the folder"):
        folder(model)
elif source == UploadSource.VIDEO:
    with error_boundary("processing the video"):
        video(model)
else:
    photographs(source, model)
