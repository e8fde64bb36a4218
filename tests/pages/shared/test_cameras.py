"""Cameras of a shared server on the pages: told before START, closed when nobody is there."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from fer_core.serve.audit_log import AuditLog
from fer_core.serve.settings import read_settings
from pages.ui.live import limits as camera_limits
from pages.ui.live.limits import end_camera
from pages.ui.live.state import Camera
from pages.ui.shell.limits import limits, services
from pages.ui.webcam.state import WebcamState
from tests.pages.conftest import state_in, words
from tests.pages.shared.conftest import button, user_of, write_settings

WEBCAM = "pages/webcam.py"


@pytest.fixture
def connection(monkeypatch):
    """The browser's side: whether it wants the camera, and how often the connection was ended by us."""
    found = SimpleNamespace(wanted=False, closed=0)

    def close(key):
        found.closed += 1
        found.wanted = False

    monkeypatch.setattr(camera_limits, "is_wanted", lambda key: found.wanted)
    monkeypatch.setattr(camera_limits, "close_connection", close)
    return found


@pytest.fixture
def drawn(monkeypatch):
    """Counts how often the video element was drawn."""
    import streamlit_webrtc

    count = []
    context = SimpleNamespace(state=SimpleNamespace(playing=False, signalling=False))
    monkeypatch.setattr(streamlit_webrtc, "webrtc_streamer", lambda **_: count.append(1) or context)
    return count


def take_all(server, user="bert"):
    settings = read_settings(server)
    alive = SimpleNamespace(last_frame=time.monotonic() + 1000, last_face=None)
    for number in range(settings.cameras):
        services(server).cameras.take(f"window {number}", user_of(server, user).key, alive, settings)


def test_the_next_visitor_is_told_before_start(server, open_as, connection, drawn):
    take_all(server)
    app = open_as("anna", WEBCAM)
    assert drawn == []
    assert "All 4 camera slots of this server are taken" in app.warning[0].value
    assert ("refused", "camera") in [(one.event, one.detail) for one in AuditLog(server).last()]
    services(server).cameras.release("window 0")
    button(app, "Try again").click().run()
    assert drawn
    assert not app.warning


def test_start_takes_a_slot_and_stop_gives_it_back(server, open_as, connection, drawn):
    app = open_as("anna", WEBCAM)
    anna = user_of(server, "anna").key
    assert services(server).cameras.count(anna) == 0
    connection.wanted = True
    app.run()
    assert services(server).cameras.count(anna) == 1
    connection.wanted = False
    app.run()
    assert services(server).cameras.count(anna) == 0


def test_of_two_who_press_start_at_once_one_is_told(server, open_as, connection, drawn):
    write_settings(server, "cameras = 1")
    first, second = open_as("anna", WEBCAM), open_as("bert", WEBCAM)
    connection.wanted = True
    first.run()
    drawn.clear()
    second.run()
    assert drawn == []
    assert connection.closed == 1
    assert "The only camera slot of this server is taken" in second.warning[0].value


def test_a_camera_without_a_face_is_closed_and_said(server, open_as, connection, drawn, monkeypatch):
    app = open_as("anna", WEBCAM)
    connection.wanted = True
    app.run()
    state_in(app, WebcamState).camera = Camera(playing=True, since=time.monotonic() - 11 * 60)
    cameras = services(server).cameras
    monkeypatch.setattr(cameras, "_clock", lambda: time.monotonic() + 11 * 60)
    monkeypatch.setattr(cameras, "_drop_gone", lambda: None)  # frames still arrive
    app.run()
    assert "no face was in the picture for 10 min" in words(app)
    assert not state_in(app, WebcamState).camera.failed
    assert connection.closed == 1
    assert cameras.count() == 0
    drawn.clear()
    button(app, "Use the camera again").click().run()
    assert drawn
    assert "no face was in the picture" not in words(app)


def test_the_end_of_the_stream_gives_the_slot_back_in_any_thread(server, open_as, connection, drawn):
    app = open_as("anna", WEBCAM)
    connection.wanted = True
    app.run()
    state = state_in(app, WebcamState)
    stopped = []
    live = SimpleNamespace(stop=lambda: stopped.append(1))
    now = SimpleNamespace(services=services(server))
    end_camera(live, now, state.window)
    assert (stopped, services(server).cameras.count()) == ([1], 0)


def test_in_local_mode_no_slot_is_asked_for(open_page, drawn):
    for _ in range(6):
        open_page("webcam")
    assert len(drawn) >= 6
    assert limits().services.cameras.count() == 0
