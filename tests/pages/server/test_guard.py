"""What a shared server answers to whom: every route of Streamlit, every identifier of another user."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from streamlit import config
from streamlit.runtime import Runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.web.server.starlette import starlette_app, starlette_auth_routes, starlette_websocket
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pages.ui.server import claims as claims_module
from pages.ui.server import media as media_module
from pages.ui.server.claims import VISITOR_COOKIE, new_visitor
from pages.ui.server.guard import Guard, guarded, kind_of
from pages.ui.shell import identity

SECRET = "s" * 32
ORIGIN = "https://fer.example"

ROUTES = {
    "/_stcore/health": "open",
    "/_stcore/host-config": "open",
    "/_stcore/stream": "open",
    "/auth/login": "open",
    "/auth/logout": "open",
    "/oauth2callback": "open",
    "": "open",  # static files
    "/media/{file_id:path}": "media",
    "/_stcore/upload_file/{session_id}/{file_id}": "upload",
    "/component/{path:path}": "user",
    "/_stcore/bidi-components/{path:path}": "user",
    "/_stcore/metrics": "closed",
    "/_stcore/agent/interact": "closed",
    "/_stcore/agent/mcp": "closed",
    "/_stcore/agent/openapi.json": "closed",
}
"""All routes of Streamlit 1.67, and what each needs. A route that is new here wants a decision."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of a shared server that admits example.org."""
    monkeypatch.setenv("FER_HOME", str(tmp_path))
    monkeypatch.setenv("FER_SHARED", "1")
    monkeypatch.setattr(starlette_websocket, "get_cookie_secret", lambda: SECRET)
    monkeypatch.setattr(claims_module, "get_origin_from_redirect_uri", lambda: ORIGIN)
    monkeypatch.setattr(starlette_auth_routes, "_set_auth_cookie", starlette_auth_routes._set_auth_cookie)
    (tmp_path / "serve.toml").write_text('allow = ["@example.org"]\n')
    return tmp_path


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """Streamlit's own, as ``streamlit run app.py`` makes it, without a server."""
    before = Runtime._instance
    Runtime._instance = None
    yield st.App("app.py")._create_runtime()
    Runtime._instance = before


def person(name: str, **claims: Any) -> dict[str, Any]:
    """Claims as ``st.user`` has them."""
    basic = {"iss": "https://id.example", "sub": name, "iat": time.time(), "email": f"{name}@example.org"}
    return {"is_logged_in": True, **basic, **claims}


def cookie(claims: dict[str, Any], *, secret: str = SECRET, origin: str = ORIGIN) -> str:
    """The header with Streamlit's signed cookie for these claims."""
    value = json.dumps({**claims, "origin": origin})
    return f"{USER_COOKIE_NAME}={create_signed_value(secret, USER_COOKIE_NAME, value).decode()}"


class House:
    """A guard before an app that answers everything, with sessions that tests connect."""

    def __init__(self) -> None:
        self.active: dict[str, Any] = {}
        self.manager = MediaFileManager(MemoryMediaFileStorage("/media"))
        sessions = SimpleNamespace(get_active_session_info=self.active.get)
        runtime: Any = SimpleNamespace(_session_mgr=sessions, media_file_mgr=self.manager)
        self.guard = Guard(PlainTextResponse("secret"), runtime)

    def connect(self, session: str, claims: dict[str, Any]) -> None:
        self.active[session] = SimpleNamespace(session=SimpleNamespace(_user_info=claims))

    def get(self, path: str, cookie: str = "", method: str = "GET") -> int:
        return asyncio.run(self._get(path, cookie, method))

    async def _get(self, path: str, cookie: str, method: str) -> int:
        answers: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            answers.append(message)

        headers = [(b"cookie", cookie.encode())] if cookie else []
        await self.guard(
            {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}, receive, send
        )
        assert (answers[1]["body"] == b"secret") == (answers[0]["status"] == 200 and path != "/healthz")
        return int(answers[0]["status"])


@pytest.fixture
def house() -> House:
    return House()


def shown_in(monkeypatch: pytest.MonkeyPatch, house: House, session: str, content: bytes = b"a face") -> str:
    """The address of a picture that a session shows."""
    monkeypatch.setattr(media_module, "get_script_run_ctx", lambda **_: SimpleNamespace(session_id=session))
    monkeypatch.setattr("streamlit.runtime.media_file_manager._get_session_id", lambda: session)
    return house.manager.add(content, "image/png", "1.2")


# ------------------------------------------------------------------------------------------------------------- routes


def test_each_route_of_streamlit_has_been_decided(runtime):
    found = {route.path: kind_of(route.path) for route in starlette_app.create_streamlit_routes(runtime)}
    assert found == ROUTES
    assert isinstance(starlette_app.create_streamlit_routes(runtime)[-1], Mount)


@pytest.mark.parametrize(
    "path", ["/_stcore/new", "/_stcore", "/media", "/component", "/app/static/x", "/_stcore/stream/x"]
)
def test_a_reserved_path_that_nobody_decided_on_is_closed(house, path):
    assert house.get(path, cookie(person("ann"))) == 404


@pytest.mark.parametrize("path", ["/", "/train", "/static/js/index.js", "/favicon.png", "/auth/login", "/mediator"])
def test_the_sign_in_page_and_its_files_are_for_everybody(house, path):
    assert house.get(path) == 200


def test_the_proxy_gets_an_answer_of_its_own(house):
    assert house.get("/healthz") == 200


@pytest.mark.parametrize(
    "path",
    [
        "/media/x.png",
        "/_stcore/upload_file/s/f",
        "/component/streamlit_webrtc/index.html",
        "/_stcore/bidi-components/x",
    ],
)
def test_nothing_else_is_without_a_user(house, path):
    assert house.get(path) == 401
    assert house.get(path, method="PUT") == 401


def test_below_a_base_path_the_same_holds(house):
    before = config.get_option("server.baseUrlPath"), config.get_where_defined("server.baseUrlPath")
    config.set_option("server.baseUrlPath", "/lab", "a test")
    try:
        assert house.get("/lab/_stcore/metrics") == 404
        assert house.get("/lab/component/x") == 401
        assert house.get("/lab/train") == 200
        assert house.get("/_stcore/metrics") == 404
    finally:
        config.set_option("server.baseUrlPath", *before)


# -------------------------------------------------------------------------------------------------------------- users


@pytest.mark.parametrize(
    ("claims", "options"),
    [
        ({}, {"secret": "t" * 32}),
        ({}, {"origin": "https://evil.example"}),
        ({"iat": 0}, {}),
        ({"email": "ann@evil.example"}, {}),
        ({"email_verified": False}, {}),
        ({"is_logged_in": False}, {}),
        ({"iss": ""}, {}),
    ],
)
def test_forged_expired_and_unlisted_cookies_are_refused(house, claims, options):
    assert house.get("/component/x", cookie(person("ann"))) == 200
    assert house.get("/component/x", cookie(person("ann", **claims), **options)) == 401


@pytest.mark.parametrize("value", ["", "x", "é", "a.b.c", "chunks-2", '"\\377"', "x" * 100_000])
def test_a_cookie_that_is_none_is_refused(house, value):
    assert house.get("/component/x", f"{USER_COOKIE_NAME}={value}") == 401


def test_a_user_taken_off_the_list_and_damaged_settings_refuse_at_once(house, home):
    ann = cookie(person("ann"))
    assert house.get("/component/x", ann) == 200
    (home / "serve.toml").write_text('allow = ["bob@example.org"]\n')
    assert house.get("/component/x", ann) == 401
    (home / "serve.toml").write_text("allow = 1\n")
    assert house.get("/component/x", ann) == 401


def test_a_signed_out_cookie_is_refused(house):
    ann = person("ann")
    found = identity.SignIn.of(ann)
    assert found is not None
    identity.signed_out().add(found)
    assert house.get("/component/x", cookie(ann)) == 401


# -------------------------------------------------------------------------------------------------------------- media


def test_a_picture_is_for_the_user_whose_session_shows_it(house, monkeypatch):
    house.connect("s1", person("ann"))
    house.connect("s2", person("bob"))
    address = shown_in(monkeypatch, house, "s1")
    assert house.get(address, cookie(person("ann"))) == 200
    assert house.get(address, cookie(person("bob"))) == 404
    assert house.get(address) == 401
    del house.active["s1"]
    assert house.get(address, cookie(person("ann"))) == 404


def test_equal_pictures_of_two_users_have_two_addresses_and_neither_is_known_to_the_other(house, monkeypatch):
    house.connect("s1", person("ann"))
    house.connect("s2", person("bob"))
    one, two = shown_in(monkeypatch, house, "s1"), shown_in(monkeypatch, house, "s2")
    assert one != two
    assert shown_in(monkeypatch, house, "s1") == one
    assert shown_in(monkeypatch, house, "s1", b"another") != one
    assert House().manager._storage is not house.manager._storage
    assert shown_in(monkeypatch, House(), "s1") != one


def test_files_that_differ_between_the_samples_are_two(house, monkeypatch):
    """Streamlit takes them for one: it hashes the start, the middle and the end of large files."""
    size = 3 << 20
    one, two = bytearray(size), bytearray(size)
    two[size // 4] = 1
    assert shown_in(monkeypatch, house, "s1", bytes(one)) != shown_in(monkeypatch, house, "s1", bytes(two))


def test_a_picture_stays_while_its_page_runs_again_and_ends_with_its_file(house, monkeypatch):
    house.connect("s1", person("ann"))
    address, ann = shown_in(monkeypatch, house, "s1"), cookie(person("ann"))
    house.manager.clear_session_refs("s1")
    assert house.get(address, ann) == 200
    house.manager.remove_orphaned_files()
    assert house.get(address, ann) == 404
    assert not house.guard._media._sessions


def test_a_download_made_on_demand_is_for_the_session_that_has_its_button(house, monkeypatch):
    house.connect("s1", person("ann"))
    monkeypatch.setattr("streamlit.runtime.media_file_manager._get_session_id", lambda: "s1")
    button = house.manager.add_deferred(lambda: b"table", "text/csv", "1.3", "faces.csv")
    monkeypatch.setattr(media_module, "get_script_run_ctx", lambda **_: None)
    address = house.manager.execute_deferred(button)
    assert house.get(address, cookie(person("ann"))) == 200
    assert house.get(address, cookie(person("bob"))) == 404


def test_a_file_that_nobody_shows_is_not_there(house):
    assert house.get("/media/" + "0" * 64 + ".png", cookie(person("ann"))) == 404
    assert house.get("/media/", cookie(person("ann"))) == 404


# ------------------------------------------------------------------------------------------------------------ uploads


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_uploads_are_for_the_own_session(house, method):
    house.connect("s1", person("ann"))
    house.connect("s3", {})
    ann, bob = cookie(person("ann")), cookie(person("bob"))
    assert house.get("/_stcore/upload_file/s1/f", ann, method) == 200
    for path in ("/_stcore/upload_file/s1/f", "/_stcore/upload_file/s2/f", "/_stcore/upload_file/s3/f"):
        assert house.get(path, bob, method) == 404


def test_a_session_that_signed_out_owns_nothing(house):
    house.connect("s1", person("ann"))
    house.active["s1"].session._user_info.clear()
    assert house.guard.owner("s1") is None
    assert house.get("/_stcore/upload_file/s1/f", cookie(person("ann"))) == 404


# ------------------------------------------------------------------------------------------------------- other modes


def test_in_local_mode_there_is_no_guard(monkeypatch):
    monkeypatch.delenv("FER_SHARED")
    app = PlainTextResponse("x")
    assert guarded(app) is app


def test_visitors_of_an_open_server_are_apart_too(house, monkeypatch):
    monkeypatch.setenv("FER_SHARED", "open")
    one, two = new_visitor(), new_visitor()
    house.connect("s1", {identity.VISITOR: one})
    address = shown_in(monkeypatch, house, "s1")
    assert house.get(address, f"{VISITOR_COOKIE}={one}") == 200
    assert house.get(address, f"{VISITOR_COOKIE}={two}") == 404
    assert house.get(address, f"{VISITOR_COOKIE}=short") == 401
    assert house.get(address, cookie(person("ann"))) == 401


def test_sessions_have_the_users_that_streamlit_gave_them(runtime):
    """``AppSession._user_info`` is not documented; neither is how a session is looked up."""
    client: Any = SimpleNamespace(write_forward_msg=lambda _: None)

    async def scenario() -> None:
        await runtime.start()
        session = runtime.connect_session(client, person("ann"))
        guard = Guard(PlainTextResponse("x"), runtime)
        assert guard.owner(session) == identity.key_in(person("ann"))
        assert guard.owner("other") is None
        again = runtime.connect_session(client, person("bob"), existing_session_id=session)
        assert again != session
        runtime.disconnect_session(session)
        assert guard.owner(session) is None
        runtime.stop()
        await runtime.stopped

    asyncio.run(scenario())
