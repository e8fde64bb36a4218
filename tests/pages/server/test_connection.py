"""The sentence that Streamlit's page shows while it has no connection."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from pages.ui.server.connection import ConnectionNotice, with_connection_notice

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
PAGE = "<html><body><div id='root'></div></body></html>"
SNIPPET = "<p>Not connected: é</p>"


def page(_: object) -> Response:
    return HTMLResponse(PAGE + " " * 2000)  # long enough to be compressed


def in_parts(_: object) -> Response:
    async def parts():
        for letter in PAGE:
            yield letter

    return StreamingResponse(parts(), media_type="text/html")


@dataclass(frozen=True)
class Answer:
    headers: Headers
    content: bytes


@pytest.fixture
def get() -> Callable[..., Answer]:
    """Asks an app for a path, as a browser that takes compressed answers."""
    routes = [
        Route("/", page),
        Route("/parts", in_parts),
        Route("/component/x/index.html", page),
        Route("/text", lambda _: PlainTextResponse(PAGE)),
        Route("/missing", lambda _: HTMLResponse(PAGE, 404)),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(GZipMiddleware, minimum_size=10)
    noticed = ConnectionNotice(app, SNIPPET.encode())

    def get(path: str, accept: str = BROWSER) -> Answer:
        headers = [(b"accept", accept.encode()), (b"accept-encoding", b"gzip")]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0 if not sent else 60)
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(noticed(scope, receive, send))
        assert [message["type"] for message in sent].count("http.response.start") == 1
        return Answer(Headers(raw=sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:]))

    return get


@pytest.mark.parametrize("path", ["/", "/parts"])
def test_the_sentence_is_at_the_end_of_a_page(get, path):
    answer = get(path)
    text = answer.content.decode()
    assert f"</div>{SNIPPET}</body>" in text
    assert text.count(SNIPPET) == 1
    assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize("path", ["/component/x/index.html", "/text", "/missing"])
def test_nothing_else_is_changed(get, path):
    answer = get(path)
    is_compressed = answer.headers.get("Content-Encoding") == "gzip"
    content = gzip.decompress(answer.content) if is_compressed else answer.content
    assert content.decode().rstrip() == PAGE


def test_a_program_gets_the_page_as_it_is(get):
    answer = get("/", accept="*/*")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.content).decode().rstrip() == PAGE


def test_a_local_server_sends_streamlits_page(monkeypatch):
    monkeypatch.delenv("FER_SHARED", raising=False)
    app = Starlette()
    assert with_connection_notice(app) is app
    monkeypatch.setenv("FER_SHARED", "1")
    assert isinstance(with_connection_notice(app), ConnectionNotice)
