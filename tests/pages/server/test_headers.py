"""The security headers of a shared server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse
from streamlit import file_util

from pages.ui.server.headers import SecurityHeaders, inline_scripts, policy, with_security_headers


def headers_of(path: str) -> dict[str, str]:
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    app = SecurityHeaders(PlainTextResponse("x", headers={"Cache-Control": "public"}))
    asyncio.run(app({"type": "http", "method": "GET", "path": path, "headers": []}, lambda: None, send))
    return {name.decode(): value.decode() for name, value in answers[0]["headers"]}


def test_each_answer_says_what_it_may_do():
    found = headers_of("/")
    assert found["x-content-type-options"] == "nosniff"
    assert found["referrer-policy"] == "same-origin"
    assert found["permissions-policy"].startswith("camera=(self), microphone=()")
    assert "frame-ancestors 'self'" in found["content-security-policy"]
    assert found["cache-control"] == "public"
    assert headers_of("/media/x.png")["cache-control"] == "private, no-store"
    assert headers_of("/lab/media/x.png")["cache-control"] == "private, no-store"


def test_the_policy_allows_no_script_but_streamlits_own():
    page = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    assert len(inline_scripts(page)) == len(re.findall(r"<script>", page)) == 1
    scripts = next(part for part in policy(page).split("; ") if part.startswith("script-src"))
    assert re.fullmatch(r"script-src 'self' blob: 'sha256-[A-Za-z0-9+/]{43}='", scripts)
    assert "unsafe-inline" not in scripts
    assert "unsafe-eval" not in policy(page)
    assert not re.search(r"https?:|\*", policy(page))


def test_the_hash_is_that_of_the_script_as_written():
    page = "<script>\n  x = 1 && '<b>' </script><script src='y'></script><script>z</script>"
    assert inline_scripts(page) == ["\n  x = 1 && '<b>' ", "z"]
    # printf alert\(1\) | openssl dgst -sha256 -binary | base64
    assert "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy("<script>alert(1)</script>")
    assert "script-src 'self' blob:;" in policy("<p>")


def test_in_local_mode_nothing_is_added(monkeypatch):
    monkeypatch.setenv("FER_SHARED", "0")
    app = PlainTextResponse("x")
    assert with_security_headers(app) is app
