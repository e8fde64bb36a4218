"""A face shown large: its votes, its picture, and the ways to look at it that a model adds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui.review import dialog, face
from tests.factories import make_dataset
from tests.pages.conftest import FERPLUS_COLUMNS

DATA = make_dataset()


def test_votes_stand_in_order_of_their_number_and_nobody_is_left_out_but_the_unchosen():
    votes = np.zeros((len(DATA), 10), np.uint8)
    votes[3] = [1, 0, 0, 5, 0, 0, 1, 0, 0, 3]
    voted = replace(DATA, votes=votes, vote_columns=FERPLUS_COLUMNS)
    assert list(face.votes_for(voted, 3).items()) == [("sadness", 5), ("NF", 3), ("neutral", 1), ("fear", 1)]
    assert face.votes_for(voted, 4) == {}
    assert face.votes_for(DATA, 3) == {}


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3)])
def test_the_pixels_are_squares_where_they_are_to_be_seen_and_smooth_where_not(monkeypatch, shape):
    shown = []
    monkeypatch.setattr(st, "image", lambda picture, **_: shown.append(picture))
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    face.enlarged_face(picture, "happy", smooth=False)
    face.enlarged_face(picture, "happy")
    assert (shown[0] == picture.repeat(9, axis=0).repeat(9, axis=1)).all()
    assert shown[1].shape == shown[0].shape
    assert (shown[1] != shown[0]).any()


def opened_face(model: str | None) -> None:
    from pages.ui.review.dialog import _picture
    from pages.ui.review.review import read_review
    from tests.factories import make_dataset

    _picture(read_review(make_dataset()), 0, model)


@pytest.mark.parametrize(
    ("model", "ways"),
    [(None, ["Face", "Pixels"]), ("seed", ["Face", "Pixels", "Grad-CAM"])],
)
def test_what_decides_is_offered_where_there_is_a_model(model, ways):
    app = AppTest.from_function(opened_face, kwargs={"model": model}).run()
    choice = app.segmented_control(key="face-way")
    assert (choice.options, choice.value) == (ways, "face")


def test_each_way_shows_its_own_picture(monkeypatch):
    ways = []
    monkeypatch.setattr(dialog, "enlarged_face", lambda picture, _, smooth: ways.append((picture.ndim, smooth)))
    app = AppTest.from_function(opened_face, kwargs={"model": "seed"}, default_timeout=60).run()
    for way in ("pixels", "gradcam"):
        app.segmented_control(key="face-way").set_value(way).run()
    assert not app.exception
    assert ways == [(2, True), (2, False), (3, True)]
    assert any("support" in line.value for line in app.caption)
