"""The webcam page without a camera: what it says when something is wrong, its settings, its servers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import streamlit as st

from fer_core.classes import ClassList
from fer_core.inference import read_info, resolve_model, shipped_models
from fer_core.live import FrameStats, LiveFace
from fer_core.workspace import Workspace, write_json
from pages.ui.components.face_bars import MOST_FACES, faces_data
from pages.ui.live.camera import ice_servers
from pages.ui.live.diagnosis import CONNECTING_SECONDS, diagnosis
from pages.ui.live.state import Camera
from pages.ui.shell import cache
from pages.ui.webcam.state import WebcamState
from tests.pages.conftest import check, state_in, words
from tests.run_factory import make_run

SEVEN = ClassList.fer2013()

SILENCE = FrameStats(received=0, shown=0, dropped=0, latency_ms=0, stages={}, faces=0)
RUNNING = FrameStats(received=30, shown=28, dropped=2, latency_ms=12, stages={"detect": 3.0}, faces=1)
LATER = 100 + CONNECTING_SECONDS + 1


@pytest.mark.parametrize(
    ("camera", "frames", "rates", "now", "words"),
    [
        (Camera(), 0, SILENCE, LATER, None),
        (Camera(since=100), 0, SILENCE, 101, None),
        (Camera(since=100), 0, SILENCE, LATER, "no frame arrives"),
        (Camera(playing=True, since=100, frames=40), 40, SILENCE, LATER, "no frame arrives"),
        (Camera(playing=True, since=100), 500, RUNNING, LATER, None),
        (Camera(playing=True, since=100), 500, SILENCE, LATER, "stopped sending frames"),
        (Camera(failed=True), 0, SILENCE, LATER, "No connection"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_nothing_else(camera, frames, rates, now, words):
    said = diagnosis(camera, frames, rates, now)
    assert said is None if words is None else words in said


def test_without_secrets_no_server_is_asked_and_with_them_those_that_stand_there(monkeypatch):
    monkeypatch.setattr(st, "secrets", {})
    assert ice_servers() == []
    servers = [{"urls": "turn:turn.example.org:3478", "username": "me", "credential": "word"}]
    monkeypatch.setattr(st, "secrets", {"webrtc": {"ice_servers": servers}})
    assert ice_servers() == servers


def face(number: int, abstained: bool = False) -> LiveFace:
    p = np.array([0.02, 0.01, 0.05, 0.8, 0.04, 0.03, 0.05], np.float32)
    return LiveFace(number, (0, 0, 9, 9), "happy", 0.8, abstained, p, p, np.zeros((48, 48), np.uint8), 0.9)


def test_what_is_drawn_beside_the_video():
    times = -np.linspace(20, 0, 600)
    history = {1: (times, np.tile(face(1).probabilities, (600, 1)))}
    data = faces_data(SEVEN, tuple(face(n, abstained=n == 2) for n in range(1, 8)), history)
    assert len(json.dumps(data)) < 20_000
    assert [f["number"] for f in data["faces"]] == list(range(1, MOST_FACES + 1))
    first, second = data["faces"][:2]
    assert first["title"] == "Face 1: happy, 80%"
    assert second["title"] == "Face 2: not sure, 80%"
    assert first["bars"] == [2, 1, 5, 80, 4, 3, 5]
    assert first["times"][0] == -20
    assert first["times"][-1] == 0
    assert len(first["times"]) == len(first["lines"]) <= 100
    assert second["times"] == second["lines"] == []


def test_the_threshold_follows_the_model_until_it_is_moved(open_page):
    app = open_page("webcam")
    live = state_in(app, WebcamState).live
    assert live.config.abstain_below is None
    slider = next(s for s in app.slider if s.label == "Not sure below")
    slider.set_value(0.6).run()
    assert live.config.abstain_below == 0.6
    smoothing = next(s for s in app.slider if s.label == "Smoothing (seconds)")
    smoothing.set_value(1.5).run()
    assert live.config.smoothing == 1.5
    assert live.config.abstain_below == 0.6


def sliders(app) -> dict[str, object]:
    return {slider.label: slider for slider in app.slider}


def test_the_sensitivity_is_one_value_for_all_pages_and_windows_and_is_shown_with_what_it_means(open_page):
    app = open_page("webcam")
    sliders(app)["Sensitivity"].set_value(0.75).run()
    assert "as if every expression were equally likely" in sliders(app)["Sensitivity"].help
    live = state_in(app, WebcamState).live
    assert live.sensitivity == 0.75
    app.selectbox(key="model-in-use").select("compact-people").run()
    assert sliders(app)["Sensitivity"].value == 0.75
    assert live.sensitivity == 0.75
    again = open_page("webcam")
    assert sliders(again)["Sensitivity"].value == 0.75


def test_a_rerun_without_a_change_keeps_the_calibration(open_page):
    app = open_page("webcam")
    sliders(app)["Sensitivity"].set_value(0.5).run()
    live = state_in(app, WebcamState).live
    live._processor.record_neutral_baseline()
    app.run()
    assert live.neutral_baseline.running
    sliders(app)["Sensitivity"].set_value(0.55).run()
    assert not live.neutral_baseline.running
    assert "The sensitivity changed" in words(app)


def test_a_threshold_that_was_moved_stays_when_the_sensitivity_changes(open_page):
    app = open_page("webcam")
    sliders(app)["Not sure below"].set_value(0.7).run()
    sliders(app)["Sensitivity"].set_value(1.0).run()
    assert sliders(app)["Not sure below"].value == 0.7
    assert state_in(app, WebcamState).live.config.abstain_below == 0.7


def test_a_model_without_a_prior_has_no_slider_and_is_read_at_its_own_sensitivity(open_page):
    make_run("no prior", weights=True)
    app = open_page("webcam")
    sliders(app)["Sensitivity"].set_value(0.8).run()
    box = app.selectbox(key="model-in-use")
    box.select(next(name for name in cache.models() if name not in shipped_models())).run()
    check(app)
    assert "Sensitivity" not in sliders(app)
    assert state_in(app, WebcamState).live.sensitivity == 0.0
    app.selectbox(key="model-in-use").select("compact").run()
    assert sliders(app)["Sensitivity"].value == 0.8


@pytest.mark.parametrize("remembered", [7, -0.1, "much", True, None, [0.5]])
def test_a_damaged_memory_of_the_sensitivity_is_passed_over(open_page, remembered):
    write_json(Workspace.default().app_state, {"sensitivity": remembered})
    app = open_page("webcam")
    own = read_info(resolve_model(state_in(app, WebcamState).model, Workspace.default())).sensitivity
    assert sliders(app)["Sensitivity"].value == own
