"""Whose files a browser window sees, in each of the three modes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.errors import ConfigError
from fer_core.serve.admission import SignIn
from fer_core.serve.users import user_key
from fer_core.workspace import Workspace
from pages.ui.shell import identity

KEY = user_key("https://id.example", "1")
"""Of the person that :func:`claims` describes."""


def claims(**others: Any) -> dict[str, Any]:
    """What an identity provider says of a person who just signed in."""
    basic = {"iss": "https://id.example", "sub": "1", "iat": time.time(), "email": "ann@example.org"}
    return {**basic, "is_logged_in": True, **others}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of a shared server that admits example.org."""
    monkeypatch.setenv("FER_HOME", str(tmp_path))
    monkeypatch.setenv("FER_SHARED", "1")
    (tmp_path / "serve.toml").write_text('allow = ["@example.org"]\noperators = ["op@example.org"]\n')
    return tmp_path


def seen() -> None:
    """A page that shows whose it is."""
    import streamlit as st

    from fer_core.errors import FerError
    from pages.ui.shell import identity, session

    st.text(identity.server_mode())
    try:
        st.text(str(session.workspace().root))
    except FerError as error:
        st.text(f"{type(error).__name__}: {error}")
    st.text(str(identity.is_operator()))


def show(user: dict[str, Any]) -> list[str]:
    app = AppTest.from_function(seen)
    app.user = user
    app.run()
    assert not app.exception
    return [text.value for text in app.text]


def test_in_local_mode_all_is_as_without_this(home, monkeypatch):
    monkeypatch.delenv("FER_SHARED")
    assert show({}) == show(claims()) == ["local", str(home), "True"]


def test_a_person_has_a_workspace_of_their_own(home):
    assert show(claims()) == ["shared", str(home / "users" / KEY), "False"]
    assert show(claims(email="op@example.org", sub="2"))[1:] == [
        str(home / "users" / user_key("https://id.example", "2")),
        "True",
    ]


@pytest.mark.parametrize(
    "user",
    [
        {},
        claims(is_logged_in=False),
        claims(email="ann@other.org"),
        claims(email="op@example.org", email_verified=False),
        claims(iat=time.time() - 13 * 3600),
        {"visitor": "x" * 43},
    ],
)
def test_nobody_else_has_one(home, user):
    mode, workspace, operator = show(user)
    assert mode == "shared"
    assert workspace.startswith("NotSignedIn: You are not signed in")
    assert operator == "False"


def test_a_person_taken_off_the_list_loses_it_at_the_next_run(home):
    assert show(claims())[1] == str(home / "users" / KEY)
    (home / "serve.toml").write_text('allow = ["bob@example.org"]\n')
    assert show(claims())[1].startswith("NotSignedIn")


def test_a_signed_out_cookie_does_not_sign_in_again(home):
    ann = claims()
    assert show(ann)[1] == str(home / "users" / KEY)
    found = SignIn.of(ann)
    assert found is not None
    identity.signed_out().add(found)
    assert show(ann)[1].startswith("NotSignedIn")
    assert show(claims(nonce="again"))[1] == str(home / "users" / KEY)


def test_with_damaged_settings_nobody_has_one(home):
    (home / "serve.toml").write_text("allow = 7\n")
    app = AppTest.from_function(seen)
    app.user = claims()
    app.run()
    assert app.text[1].value.startswith("ConfigError: ")


def test_each_visitor_of_an_open_server_has_one(home, monkeypatch):
    monkeypatch.setenv("FER_SHARED", "open")
    one, two = show({"visitor": "x" * 43}), show({"visitor": "y" * 43})
    assert one == ["open", str(home / "users" / user_key("visitor", "x" * 43)), "False"]
    assert two[1] != one[1]
    assert show({})[1].startswith("NotSignedIn")
    assert show(claims())[1].startswith("NotSignedIn")


def test_settings_are_read_again_when_the_file_changed(home):
    assert identity.serve_settings().session_hours == 12
    path = home / "serve.toml"
    path.write_text("session_hours = 2\n")
    os.utime(path, ns=(1, 1))
    assert identity.serve_settings().session_hours == 2
    path.unlink()
    assert identity.serve_settings().session_hours == 12
    assert identity.operator_workspace() == Workspace(home)


class Rerun(Exception):
    """The whole page runs."""


@pytest.mark.parametrize("settings", ["allow = []\n", "allow = 1\n"])
def test_a_fragment_of_a_person_taken_off_the_list_runs_the_whole_page(home, monkeypatch, settings):
    """The fragment alone would go on, or leave an error in the log at each of its runs."""

    def rerun() -> None:
        raise Rerun

    monkeypatch.setattr(identity.st, "user", SimpleNamespace(to_dict=claims))
    monkeypatch.setattr(identity.st, "rerun", rerun)
    run = SimpleNamespace(fragment_ids_this_run=["a fragment"])
    monkeypatch.setattr(identity, "get_script_run_ctx", lambda **_: run)
    assert identity.require_user().key == KEY
    (home / "serve.toml").write_text(settings)
    with pytest.raises(Rerun):
        identity.user_workspace()
    run.fragment_ids_this_run = []
    with pytest.raises((identity.NotSignedIn, ConfigError)):
        identity.user_workspace()
