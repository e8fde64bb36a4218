"""A shared server that two people and its operator use, in AppTest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core import jobs
from fer_core.serve.users import User, Users
from fer_core.workspace import Workspace
from pages.ui.shell.limits import services
from tests.paths import PROJECT_ROOT

OpenAs = Callable[..., AppTest]


def claims(name: str) -> dict[str, Any]:
    """What the identity provider says of a person who has just signed in."""
    return {
        "iss": "https://id.example",
        "sub": name,
        "iat": time.time(),
        "email": f"{name}@example.org",
        "name": name.capitalize(),
        "is_logged_in": True,
    }


@pytest.fixture
def server(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The operator's workspace of a shared server; no training process really starts."""
    monkeypatch.setenv("FER_SHARED", "1")
    workspace.root.mkdir(parents=True)
    write_settings(workspace)
    services.cache_clear()
    monkeypatch.setattr(jobs, "spawn", lambda *_, **__: None)
    return workspace


def write_settings(server: Workspace, *lines: str) -> None:
    """Replace the settings of the server, which is noticed at the next look."""
    text = 'allow = ["@example.org"]\noperators = ["olga@example.org"]\n' + "".join(f"{line}\n" for line in lines)
    (server.root / "serve.toml").write_text(text)


def user_of(server: Workspace, name: str) -> User:
    return Users(server).user("https://id.example", name)


@pytest.fixture
def open_as(server: Workspace) -> OpenAs:
    """Opens a page in the window of a person."""

    def opened(name: str, page: str = "pages/overview.py") -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
        app.user = claims(name)
        app.run()
        if page != "pages/overview.py":
            app.switch_page(page).run()
        assert not app.exception
        return app

    return opened


def button(app: AppTest, label: str) -> Any:
    """The only button with this label on the page itself."""
    found = [one for one in app.main.button if one.label == label]
    assert len(found) == 1, [one.label for one in app.main.button]
    return found[0]


def menu(app: AppTest) -> set[str]:
    """The labels of the links in the sidebar."""
    return {link.proto.label for link in app.sidebar.get("page_link")}
