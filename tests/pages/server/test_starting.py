"""A shared server starts only if people are kept apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton

from pages.ui.server.starting import prepare
from pages.ui.server.visitors import VISITOR_HEADER
from tests.paths import PROJECT_ROOT

OPTIONS = (
    "server.address",
    "server.allowedHosts",
    "server.enableXsrfProtection",
    "server.maxUploadSize",
    "server.trustedUserHeaders",
    "secrets.files",
)
AUTH = {
    "redirect_uri": "https://fer.example/oauth2callback",
    "cookie_secret": "s" * 32,
    "client_id": "fer",
    "client_secret": "x",
    "server_metadata_url": "https://id.example/.well-known/openid-configuration",
}


@pytest.fixture(autouse=True)
def options_as_before() -> Iterator[None]:
    before = {name: (config.get_option(name), config.get_where_defined(name)) for name in OPTIONS}
    yield
    for name, (value, where) in before.items():
        config.set_option(name, value, where)
    secrets_singleton._reset()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_HOME", str(tmp_path))
    monkeypatch.setenv("FER_SHARED", "1")
    return tmp_path


def sign_in_is(home: Path, auth: dict[str, Any] | None) -> None:
    path = home / "secrets.toml"
    lines = [] if auth is None else ["[auth]", *(f'{name} = "{value}"' for name, value in auth.items())]
    path.write_text("\n".join(lines))
    config.set_option("secrets.files", [str(path)], "a test")
    secrets_singleton._reset()


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What a server that does not start says: one paragraph, with status 2."""
    with pytest.raises(SystemExit) as ended:
        prepare()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


def test_a_local_server_starts_as_always(home, monkeypatch):
    monkeypatch.delenv("FER_SHARED")
    before = {name: config.get_option(name) for name in OPTIONS}
    prepare()
    assert {name: config.get_option(name) for name in OPTIONS} == before


def test_without_sign_in_it_does_not_start(home, capsys):
    sign_in_is(home, None)
    assert "no [auth]" in refused(capsys)


def test_a_server_beyond_loopback_is_shared(home, capsys, monkeypatch):
    monkeypatch.delenv("FER_SHARED")
    sign_in_is(home, None)
    config.set_option("server.address", "0.0.0.0", "a test")
    assert "FER_SHARED=open" in refused(capsys)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("client_id", None, "client_id"),
        ("server_metadata_url", None, "server_metadata_url"),
        ("redirect_uri", None, "redirect_uri"),
        ("redirect_uri", "https://fer.example/", "/oauth2callback"),
        ("redirect_uri", "http://fer.example/oauth2callback", "https://"),
        ("cookie_secret", None, "cookie_secret"),
        ("cookie_secret", "short", "shorter than 32"),
    ],
)
def test_with_unsafe_sign_in_it_does_not_start(home, capsys, name, value, says):
    sign_in_is(home, {key: given for key, given in {**AUTH, name: value}.items() if given is not None})
    assert says in refused(capsys)


def test_without_the_library_it_does_not_start(home, capsys, monkeypatch):
    sign_in_is(home, AUTH)
    monkeypatch.setattr("pages.ui.server.starting.is_authlib_installed", lambda: False)
    assert 'pip install "fer-lab[serve]"' in refused(capsys)


@pytest.mark.parametrize(
    ("option", "value"), [("server.enableXsrfProtection", False), ("server.trustedUserHeaders", {"x": "email"})]
)
@pytest.mark.parametrize("mode", ["1", "open"])
def test_with_an_unsafe_option_it_does_not_start(home, capsys, monkeypatch, mode, option, value):
    monkeypatch.setenv("FER_SHARED", mode)
    sign_in_is(home, AUTH)
    config.set_option(option, value, "a test")
    assert option in refused(capsys)


def test_with_damaged_settings_or_an_unknown_mode_it_does_not_start(home, capsys, monkeypatch):
    sign_in_is(home, AUTH)
    (home / "serve.toml").write_text("allow = 7\n")
    assert "serve.toml" in refused(capsys)
    monkeypatch.setenv("FER_SHARED", "yes")
    assert "FER_SHARED" in refused(capsys)


def test_with_sign_in_it_starts_and_its_own_name_is_allowed(home, capsys):
    sign_in_is(home, AUTH)
    (home / "serve.toml").write_text('allow = ["@example.org"]\n')
    config.set_option("server.allowedHosts", ["localhost"], "a test")
    prepare()
    prepare()
    assert st.get_option("server.allowedHosts") == ["localhost", "fer.example"]
    assert not st.get_option("server.trustedUserHeaders")
    assert capsys.readouterr().err == ""


def test_streamlit_refuses_uploads_above_the_limit_before_it_reads_them(home):
    (home / "serve.toml").write_text('allow = ["@example.org"]\nupload_bytes = 10_000_001\n')
    sign_in_is(home, AUTH)
    prepare()
    assert st.get_option("server.maxUploadSize") == 10  # its megabytes have 1,048,576 bytes; pages check the rest


def test_the_operator_is_told_that_the_list_is_empty(home, capsys):
    sign_in_is(home, AUTH)
    prepare()
    assert "Nobody can sign in yet" in capsys.readouterr().err


def test_an_open_server_says_so_and_tells_streamlit_who_visits(home, capsys, monkeypatch):
    monkeypatch.setenv("FER_SHARED", "open")
    prepare()
    assert "Anybody" in capsys.readouterr().err
    assert st.get_option("server.trustedUserHeaders") == {VISITOR_HEADER: "visitor"}


@pytest.mark.slow
def test_a_server_that_does_not_start_ends_with_one_sentence_and_status_2(home):
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "0"]
    environment = {**os.environ, "HOME": str(home), "FER_HOME": str(home), "FER_SHARED": "1"}
    ended = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    assert "nobody can sign in" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
