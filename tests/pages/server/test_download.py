"""The zip of a user's data goes to that user only."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette

from fer_core.serve.account import download_path
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.users import Users
from pages.ui.server import download
from pages.ui.shell import identity
from pages.ui.shell.limits import services


@pytest.fixture
def app(workspace, monkeypatch):
    """A browser whose cookie names the user; as the guard's own tests do with real cookies."""
    monkeypatch.setenv("FER_SHARED", "1")
    services.cache_clear()
    users = Users(workspace)
    monkeypatch.setattr(download, "claims_of", dict)
    monkeypatch.setattr(
        identity,
        "admitted",
        lambda claims: users.user("https://id.example", claims["who"]) if "who" in claims else None,
    )
    for name in ("anna", "bert"):
        path = download_path(workspace, users.user("https://id.example", name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"zip of {name}".encode())
    return Starlette(routes=download.routes())


def get(app, who=""):
    """The answer to a browser with the cookie ``who``."""
    headers = [(b"cookie", f"who={who}".encode())] if who else []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/account/data.zip",
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
    }
    found = SimpleNamespace(status=0, headers={}, content=b"")

    async def receive():
        await asyncio.Event().wait()  # the browser stays

    async def send(message):
        if message["type"] == "http.response.start":
            found.status = message["status"]
            found.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            found.content += message.get("body", b"")

    asyncio.run(app(scope, receive, send))
    return found


def test_each_user_gets_their_own(app, workspace):
    answer = get(app, "anna")
    assert (answer.status, answer.content) == (200, b"zip of anna")
    assert answer.headers["content-disposition"] == 'attachment; filename="fer-lab-data.zip"'
    assert answer.headers["cache-control"] == "no-store"
    assert get(app, "bert").content == b"zip of bert"
    assert [one.event for one in AuditLog(workspace).last()] == ["downloaded", "downloaded"]


def test_nobody_and_users_without_a_zip_get_none(app):
    assert get(app).status == 401
    assert get(app, "carl").status == 404


def test_in_local_mode_there_is_none(app, monkeypatch):
    monkeypatch.delenv("FER_SHARED")
    assert get(app, "anna").status == 401
