"""What is kept of a person's claims, in the cookie that Streamlit writes."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from starlette.requests import cookie_parser
from starlette.responses import Response
from streamlit.web.server.starlette import starlette_auth_routes, starlette_websocket

from fer_core.serve.admission import SignIn
from pages.ui.server import claims as claims_module
from pages.ui.server.claims import claims_of, few_claims, few_tokens, is_visitor, keep_few_claims, new_visitor

ORIGIN = "https://fer.example"


def person(**others: Any) -> dict[str, Any]:
    basic = {"iss": "https://id.example", "sub": "1", "iat": time.time(), "email": "ann@example.org"}
    return {"origin": ORIGIN, "is_logged_in": True, "provider": "default", **basic, **others}


@pytest.fixture
def signing(monkeypatch):
    """A shared server that signs cookies."""
    monkeypatch.setenv("FER_SHARED", "1")
    for module in (starlette_websocket, starlette_auth_routes):
        monkeypatch.setattr(module, "get_cookie_secret", lambda: "s" * 32)
    monkeypatch.setattr(starlette_auth_routes, "_set_auth_cookie", starlette_auth_routes._set_auth_cookie)
    monkeypatch.setattr(claims_module, "get_origin_from_redirect_uri", lambda: ORIGIN)


def cookies_for(claims: dict[str, Any], tokens: dict[str, Any]) -> dict[str, str]:
    """The cookies that Streamlit's own sign-in sets, as a browser sends them back."""
    response = Response()
    asyncio.run(starlette_auth_routes._set_auth_cookie(response, claims, tokens))
    set_cookies = [value.decode("latin-1") for name, value in response.raw_headers if name == b"set-cookie"]
    return cookie_parser("; ".join(value.split(";")[0] for value in set_cookies))


def letters(first: int, count: int) -> str:
    """A text that cannot be compressed: Streamlit compresses its cookies."""
    chosen = random.Random(0)
    return "".join(chr(first + chosen.randrange(64)) for _ in range(count))


@pytest.mark.parametrize("first", [0x41, 0xC0, 0x1F600])
def test_a_name_of_ten_thousand_characters_makes_a_cookie_that_every_server_takes(signing, first):
    keep_few_claims()
    keep_few_claims()
    name = letters(first, 10_000)
    long = person(name=name, picture=letters(0x41, 10_000))
    cookies = cookies_for(long, {"id_token": letters(0x41, 20_000), "access_token": "secret"})
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert len(header) < 8000  # websockets refuses a header of more than 8,190 bytes
    assert "secret" not in header
    found = SignIn.of(claims_of(cookies))
    assert found is not None
    assert found.name == name[:320]


def test_without_the_patch_the_cookies_are_too_long(signing):
    """The patch is still needed, and its place is still where Streamlit calls it."""
    cookies = cookies_for(person(name=letters(0xC0, 10_000)), {})
    assert sum(map(len, cookies.values())) > 10_000


def test_issuer_and_subject_are_kept_whole_or_nobody_is_signed_in():
    subject = "s" * 1000
    assert few_claims(person(sub=subject))["sub"] == subject
    refused = few_claims(person(sub=subject + "s"))
    assert refused == {"origin": ORIGIN, "is_logged_in": False}
    assert SignIn.of(refused) is None


def test_only_what_is_used_is_kept():
    kept = few_claims(person(address={"city": "x"}, birthdate="2000-01-01", phone_number="1", nonce="n"))
    assert set(kept) == {"origin", "is_logged_in", "provider", "iss", "sub", "iat", "email", "nonce"}
    assert few_tokens({"id_token": "short", "access_token": "secret"}) == {"id_token": "short"}
    assert few_tokens({"id_token": "z" * 3001}) == few_tokens({}) == {}


def test_visitors_are_unlike_each_other():
    secrets = {new_visitor() for _ in range(100)}
    assert len(secrets) == 100
    assert all(map(is_visitor, secrets))
    assert not any(is_visitor(value) for value in (None, "", "x", "x" * 44, "x" * 42 + ";", "x" * 43 + "\n"))
