"""Which STUN and TURN servers a browser window gets, and for how long."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.serve.relay import RelayAccess
from fer_core.serve.users import user_key
from pages.ui.live import relay
from pages.ui.live.state import Camera, LiveState

TURN = "turn:fer.example.org:3478?transport=udp"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The workspace of a shared server with a relay."""
    monkeypatch.setenv("FER_HOME", str(tmp_path))
    monkeypatch.setenv("FER_SHARED", "1")
    (tmp_path / "relay-secret").write_text("correct horse battery staple\n")
    (tmp_path / "serve.toml").write_text(
        f'allow = ["@example.org"]\nrelay = ["{TURN}"]\nrelay_secret_file = "{tmp_path}/relay-secret"\nrelay_minutes = 10\n'
    )
    return tmp_path


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test can set; it begins now."""
    now = [time.time()]
    monkeypatch.setattr(relay.time, "time", lambda: now[0])
    return now


def seen() -> None:
    """A page that shows its servers."""
    import json

    import streamlit as st

    from pages.ui.live.relay import ice_servers, relay_is_faulty

    st.text(json.dumps([ice_servers(), relay_is_faulty()]))


def window() -> AppTest:
    app = AppTest.from_function(seen)
    app.user = {
        "iss": "https://id.example",
        "sub": "1",
        "iat": time.time(),
        "email": "ann@example.org",
        "is_logged_in": True,
    }
    return app


def shown(app: AppTest) -> tuple[list[dict[str, Any]], bool]:
    app.run()
    assert not app.exception
    servers, faulty = json.loads(app.text[0].value)
    return servers, faulty


def test_credentials_are_made_once_and_again_when_they_have_expired(home, clock):
    app = window()
    [first], _ = shown(app)
    assert first["urls"] == [TURN]
    assert first["username"] == f"{int(clock[0] + 600)}:{user_key('https://id.example', '1')}"
    clock[0] += 599
    assert shown(app) == ([first], False)
    clock[0] += 1
    [second], _ = shown(app)
    assert second["username"] == f"{int(clock[0] + 600)}:{user_key('https://id.example', '1')}"
    assert second["credential"] != first["credential"]


def test_each_window_has_credentials_of_its_own(home, clock):
    [first], _ = shown(window())
    clock[0] += 1
    [second], _ = shown(window())
    assert first["username"] != second["username"]


def test_a_relay_without_a_secret_is_reported_and_works_once_there_is_one(home, caplog):
    (home / "relay-secret").rename(home / "elsewhere")
    app = window()
    assert shown(app) == ([], True)
    assert "relay-secret cannot be read" in caplog.text  # for the operator
    (home / "elsewhere").rename(home / "relay-secret")
    [server], faulty = shown(app)
    assert (server["urls"], faulty) == ([TURN], False)


@pytest.mark.parametrize(
    ("age", "camera", "expected"), [(0, Camera(), 0), (600, Camera(), 1), (600, Camera(playing=True, since=1.0), 0)]
)
def test_a_page_is_renewed_when_its_credentials_have_expired_and_no_camera_runs(
    monkeypatch, clock, age, camera, expected
):
    access = RelayAccess((), expires=clock[0] + 600)
    monkeypatch.setattr(relay, "state_of", lambda kind: relay.RelayState(access))
    reruns: list[bool] = []
    monkeypatch.setattr(relay.st, "rerun", lambda: reruns.append(True))
    clock[0] += age
    relay._rerun_when_expired(LiveState(camera=camera))
    assert len(reruns) == expected


def test_who_is_not_signed_in_gets_no_credentials(home):
    app = window()
    app.user = {"is_logged_in": False}
    assert shown(app) == ([], False)


def test_in_local_mode_only_the_servers_in_the_secrets_are_used(home, monkeypatch):
    monkeypatch.delenv("FER_SHARED")
    app = window()
    assert shown(app) == ([], False)
    app.secrets["webrtc"] = {"ice_servers": [{"urls": ["stun:127.0.0.1:1"]}]}
    assert shown(app) == ([{"urls": ["stun:127.0.0.1:1"]}], False)
