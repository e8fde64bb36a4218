"""One face as every dialog shows it: its picture, enlarged, and what people said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.images import enlarge

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_SIDE: Final = 432  # pixels; nine for each of a face's 48


def enlarged_face(picture: npt.NDArray[np.uint8], label: str, *, smooth: bool = True) -> None:
    """Show a face, uint8 (48, 48) or (48, 48, 3), as wide as there is room; without ``smooth`` its pixels are seen."""
    st.image(enlarge(picture, _SIDE, smooth=smooth), alt=f"A face labelled {label}", width="stretch")


def votes_for(dataset: FaceDataset, index: int) -> dict[str, int]:
    """What can be voted for -> number of people who chose it for a face, most first; empty where nobody was asked."""
    if dataset.votes is None:
        return {}
    votes = {column: int(n) for column, n in zip(dataset.vote_columns, dataset.votes[index], strict=True) if n}
    return dict(sorted(votes.items(), key=lambda pair: -pair[1]))


def people_said(dataset: FaceDataset, how_many: str) -> str:
    """The heading above the votes of a face: ``What ten people said (FER+)``."""
    return f"What {how_many} people said{' (FER+)' if 'NF' in dataset.vote_columns else ''}"
