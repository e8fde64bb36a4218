"""Visitors of an open server, and sign-ins that failed: what the middleware does to requests and answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pages.ui.server.claims import VISITOR_COOKIE, is_visitor, new_visitor
from pages.ui.server.signing_in import SignInFailures, telling_failures
from pages.ui.server.visitors import VISITOR_HEADER, Visitors, for_visitors


class Seen:
    """An app that remembers the request and answers with a given response."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await self._response(scope, receive, send)

    @property
    def visitors(self) -> list[str]:
        return [value.decode() for name, value in self.scope["headers"] if name == VISITOR_HEADER.encode()]


def answer(app: ASGIApp, path: str = "/", headers: dict[str, str] | None = None, kind: str = "http") -> Any:
    """The status, the headers and the body of an answer."""
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    given = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    path, _, query = path.partition("?")
    scope = {"type": kind, "method": "GET", "path": path, "query_string": query.encode(), "headers": given}
    asyncio.run(app(scope, receive, send))
    if kind == "websocket":
        return None
    return (
        answers[0]["status"],
        [(name.decode(), value.decode()) for name, value in answers[0]["headers"]],
        answers[1]["body"],
    )


class Websocket:
    """An app for websockets, as a response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer nothing."""


def test_a_browser_gets_a_secret_with_its_first_page_and_keeps_it():
    seen = Seen(HTMLResponse("x"))
    _, headers, _ = answer(Visitors(seen))
    [cookie] = [value for name, value in headers if name == "set-cookie"]
    name, _, rest = cookie.partition("=")
    visitor, *flags = rest.split("; ")
    assert (name, flags) == (VISITOR_COOKIE, ["Path=/", "HttpOnly", "SameSite=Lax"])
    assert is_visitor(visitor)
    assert seen.visitors == [visitor]
    _, headers, _ = answer(Visitors(seen), headers={"Cookie": f"{VISITOR_COOKIE}={visitor}"})
    assert "set-cookie" not in dict(headers)
    assert seen.visitors == [visitor]


def test_other_answers_set_no_cookie():
    _, headers, _ = answer(Visitors(Seen(PlainTextResponse("x"))))
    assert "set-cookie" not in dict(headers)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_nobody_can_name_a_visitor_but_by_the_cookie(kind):
    seen = Seen(Websocket() if kind == "websocket" else PlainTextResponse("x"))
    wanted, own = new_visitor(), new_visitor()
    answer(Visitors(seen), headers={VISITOR_HEADER: wanted, "Cookie": f"{VISITOR_COOKIE}={own}"}, kind=kind)
    assert seen.visitors == [own]
    answer(Visitors(seen), headers={VISITOR_HEADER: wanted}, kind=kind)
    [other] = seen.visitors
    assert other not in (wanted, own)


def test_only_an_open_server_has_visitors_and_only_a_shared_one_sign_ins(monkeypatch):
    app = PlainTextResponse("x")
    for mode, visitors, sign_ins in (("0", False, False), ("1", False, True), ("open", True, False)):
        monkeypatch.setenv("FER_SHARED", mode)
        assert (for_visitors(app) is not app) is visitors
        assert (telling_failures(app) is not app) is sign_ins


def signs_in() -> Response:
    response = RedirectResponse("/")
    response.set_cookie(USER_COOKIE_NAME, "x", max_age=60)
    return response


def signs_out() -> Response:
    response = RedirectResponse("/")
    response.delete_cookie(USER_COOKIE_NAME)
    return response


@pytest.mark.parametrize(
    ("path", "response", "failed"),
    [
        ("/auth/login", PlainTextResponse("Authentication error", 400), True),
        ("/auth/login", RedirectResponse("https://id.example/authorize"), False),
        ("/oauth2callback?code=1&state=2", signs_in(), False),
        ("/oauth2callback?code=1&state=2", RedirectResponse("/"), True),
        ("/oauth2callback?code=1&state=2", signs_out(), True),
        ("/oauth2callback?error=access_denied", RedirectResponse("/"), True),
        ("/oauth2callback", RedirectResponse("/"), False),  # back from signing out at the provider
        ("/oauth2callback", PlainTextResponse("Internal Server Error", 500), True),
        ("/auth/logout", signs_out(), False),
        ("/train", PlainTextResponse("no", 404), False),
    ],
)
@pytest.mark.parametrize("base", ["", "/lab"])
def test_who_could_not_sign_in_is_sent_back_with_a_note(base, path, response, failed):
    status, headers, body = answer(SignInFailures(response), base + path)
    sent_back = status == 302 and dict(headers)["location"] == f"{base}/?sign-in-failed"
    assert sent_back is failed
    assert int(dict(headers)["content-length"]) == len(body)
    if not failed:
        assert status == response.status_code
