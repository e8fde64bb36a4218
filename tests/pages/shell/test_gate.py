"""The sign-in page and the account: nothing of a page is seen by anybody who may not use the server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.serve.admission import SignIn
from pages.ui.shell import identity
from tests.pages.conftest import words
from tests.paths import PROJECT_ROOT


def claims(**others: Any) -> dict[str, Any]:
    """What an identity provider says of a person who just signed in."""
    basic = {"iss": "https://id.example", "sub": "1", "iat": time.time(), "email": "ann@example.org", "name": "Ann"}
    return {**basic, "is_logged_in": True, **others}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of a shared server that admits example.org."""
    monkeypatch.setenv("FER_HOME", str(tmp_path))
    monkeypatch.setenv("FER_SHARED", "1")
    (tmp_path / "serve.toml").write_text('allow = ["@example.org"]\n')
    return tmp_path


def opened(user: dict[str, Any], **parameters: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
    app.user = user
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def closed(app: AppTest) -> str:
    """What is said on a page that shows nothing but the sign-in page."""
    assert len(app.sidebar) == 0
    assert [title.value for title in app.title] == ["FER Lab"]
    assert {button.label for button in app.button} <= {"Sign in", "Sign in again", "Sign out"}
    return words(app)


def test_without_a_user_there_is_only_the_sign_in_page(home):
    app = opened({})
    assert "FER Lab" in closed(app)
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.info
    assert not any(home.glob("users"))


def test_who_could_not_sign_in_is_told(home):
    assert "the sign-in service did not answer" in closed(opened({}, **{"sign-in-failed": ""}))


@pytest.mark.parametrize(
    ("others", "says", "button"),
    [
        ({"email": "ann@evil.example"}, "ann@evil.example may not use this server", "Sign out"),
        ({"email": None}, "did not send your e-mail address", "Sign out"),
        ({"email_verified": False}, "has not confirmed the address", "Sign out"),
        ({"iat": time.time() - 13 * 3600}, "more than 12 hours ago", "Sign in again"),
        ({"email": "x" * 10_000 + "@evil.example"}, "x…", "Sign out"),
    ],
)
def test_who_is_refused_learns_why_and_sees_nothing(home, others, says, button):
    app = opened(claims(**others))
    said = closed(app).replace("\\", "")
    assert says in said
    assert len(said) < 400
    assert [found.label for found in app.button] == [button]


def test_a_member_sees_the_page_and_their_name(home):
    app = opened(claims())
    assert app.title[0].value
    assert any("Ann" in text.value for text in app.sidebar.markdown)
    assert "Workspace" not in " ".join(text.value for text in app.sidebar.caption)
    assert str(home) not in words(app)


def test_a_name_of_ten_thousand_characters_is_cut(home):
    app = opened(claims(name="<b>*x*</b>" * 1000))
    [shown] = [text.value for text in app.sidebar.markdown if "account_circle" in text.value]
    assert shown.endswith("…")
    assert len(shown) < 150
    assert "*x*" not in shown


def test_signing_out_ends_the_sign_in_in_all_windows(home):
    ann = claims()
    first, second = opened(ann), opened(ann)
    first.button(key="sign-out").click().run()
    assert not first.exception
    found = SignIn.of(ann)
    assert found is not None
    assert found in identity.signed_out()
    second.run()
    assert "You have signed out" in closed(second)
    assert len(opened(claims(nonce="again")).sidebar)


def test_a_sign_out_that_cannot_be_kept_says_so_and_changes_nothing(home):
    ann = claims()
    app = opened(ann)
    (home / "signed-out").write_text("in the way")
    app.button(key="sign-out").click().run()
    assert not app.exception
    assert app.toast
    assert len(app.sidebar)


def test_a_person_taken_off_the_list_loses_the_open_page(home):
    app = opened(claims())
    (home / "serve.toml").write_text("allow = []\n")
    app.run()
    assert "may not use this server" in closed(app)


def test_with_damaged_settings_nobody_sees_a_page(home):
    (home / "serve.toml").write_text("allow = 1\n")
    assert "settings of this server cannot be read" in closed(opened(claims()))


def test_without_a_cookie_an_open_server_shows_nothing(home, monkeypatch):
    monkeypatch.setenv("FER_SHARED", "open")
    assert "Allow cookies" in closed(opened({}))


def test_an_open_server_says_so_on_every_page(home, monkeypatch):
    monkeypatch.setenv("FER_SHARED", "open")
    app = opened({"visitor": "x" * 43})
    assert "This server is open" in app.error[0].value
    assert app.title
    app.switch_page("pages/data.py").run()
    assert "This server is open" in app.error[0].value
    assert app.title[0].value == "Data"
