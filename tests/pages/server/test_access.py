"""Which Origins open a connection, under each of Streamlit's options that has a say in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from streamlit import config, net_util
from streamlit.web.server.starlette import starlette_websocket

from pages.ui.server.access import allowed_hosts_only, is_own_origin

HOST = "lab.example:8501"
OPTIONS = ("server.allowedHosts", "server.enableCORS", "server.corsAllowedOrigins", "browser.serverAddress")


@pytest.fixture(autouse=True)
def options_as_before() -> Iterator[None]:
    before = {name: (config.get_option(name), config.get_where_defined(name)) for name in OPTIONS}
    yield
    for name, (value, where) in before.items():
        config.set_option(name, value, where)


def set_option(name: str, value: object) -> None:
    config.set_option(name, value, "a test")


@pytest.mark.parametrize(
    "origin", [None, "http://lab.example:8501", "http://localhost:3000", "https://127.0.0.1", "https://front.example"]
)
def test_streamlit_accepts_without_a_look_up_whatever_is_let_through(origin, monkeypatch):
    def look_up() -> str:
        raise AssertionError("asked for an address of this machine")

    monkeypatch.setattr(net_util, "get_internal_ip", look_up)
    monkeypatch.setattr(net_util, "get_external_ip", look_up)
    set_option("server.allowedHosts", ["lab.example"])
    set_option("browser.serverAddress", "front.example")
    assert is_own_origin(origin, HOST)
    assert starlette_websocket._is_origin_allowed(origin, HOST)


@pytest.mark.parametrize("origin", ["https://front.example", "http://lab.example", "null", "", "http://[", "file://"])
def test_other_origins_are_refused(origin):
    assert not is_own_origin(origin, HOST)
    assert not is_own_origin(origin, None)


def test_an_origin_that_the_settings_name_is_let_through():
    set_option("server.corsAllowedOrigins", ["https://front.example"])
    assert is_own_origin("https://front.example", HOST)
    assert not is_own_origin("https://other.example", HOST)


def test_without_the_check_every_origin_is_let_through():
    set_option("server.enableCORS", False)
    assert is_own_origin("https://other.example", HOST)


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (["lab.example"], "lab.example:8501", 404),
        (["lab.example"], "LAB.example", 404),
        (["lab.example"], "other.example", 400),
        (["*.example"], "lab.example", 404),
        (["::1"], "[::1]:8501", 404),
        (["::1"], "[::2]:8501", 400),
        ([], "other.example", 404),
    ],
)
def test_hosts_are_asked_as_the_setting_says(allowed, host, status):
    set_option("server.allowedHosts", allowed)
    assert asyncio.run(status_for(host)) == status


async def status_for(host: str) -> int:
    """The status with which a server without pages answers a request for its first one."""
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    request = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", host.encode())]}
    await allowed_hosts_only(Starlette())(request, receive, send)
    return int(answers[0]["status"])
