"""The usage notice of the Overview page."""

from __future__ import annotations

from typing import Final

import streamlit as st

USAGE_NOTICE: Final = (
    "**Not for judging pupils, staff or applicants.** A facial expression is not an emotion: people smile when they are "
    "not happy, and the labels are strangers' guesses about single images. The European Union prohibits inferring "
    "emotions of people at work or in education (AI Act, Art. 5(1)(f)), except for medical or safety reasons. When you "
    "teach with FER Lab, point the camera at yourself."
)


def usage_notice() -> None:
    """Say what FER Lab must not be used for."""
    st.caption(f":material/gavel: {USAGE_NOTICE}")
