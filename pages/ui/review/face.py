"""The enlarged face and its votes, as all dialogs show them."""

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
    """Draw a face, uint8 (48, 48) or (48, 48, 3), at full width; without ``smooth``, its pixels stay visible."""
    st.image(enlarge(picture, _SIDE, smooth=smooth), alt=f"Face labeled {label}", width="stretch")


def votes_for(dataset: FaceDataset, index: int) -> dict[str, int]:
    """Return option -> number of votes for a face, most first; empty without votes."""
    if dataset.votes is None:
        return {}
    votes = {column: int(n) for column, n in zip(dataset.vote_columns, dataset.votes[index], strict=True) if n}
    return dict(sorted(votes.items(), key=lambda pair: -pair[1]))


def people_said(dataset: FaceDataset, how_many: str) -> str:
    """Return the heading of the votes of a face: ``Votes of ten people (FER+)``."""
    return f"Votes of {how_many} people{' (FER+)' if 'NF' in dataset.vote_columns else ''}"
