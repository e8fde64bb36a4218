"""Who may use a shared server."""

import os
import time

import pytest

from fer_core.serve.admission import COOKIE_SECONDS, SignedOut, SignIn, is_listed, is_operator, refusal
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import user_key
from fer_core.workspace import Workspace

NOW = 1_800_000_000.0
CLAIMS = {
    "iss": "https://id.example",
    "sub": "1",
    "iat": int(NOW),
    "nonce": "a",
    "email": "Ann@Example.org",
    "name": "Ann",
    "is_logged_in": True,
}
SETTINGS = ServeSettings(allow=("@example.org",), session_hours=1)


def sign_in(**claims: object) -> SignIn:
    found = SignIn.of({**CLAIMS, **claims})
    assert found is not None
    return found


@pytest.fixture
def signed_out(tmp_path):
    return SignedOut(Workspace(tmp_path))


def test_claims_become_a_sign_in():
    found = sign_in()
    assert (found.key, found.address, found.name) == (user_key("https://id.example", "1"), "Ann@Example.org", "Ann")
    assert found.verified
    assert found.at == NOW


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None},
        {"iss": ""},
        {"sub": 1},
        {"sub": ""},
        {"iat": None},
        {"iat": "1"},
        {"iat": True},
        {"is_logged_in": 1},
    ],
)
def test_without_what_the_standard_requires_nobody_is_signed_in(claims):
    assert SignIn.of({**CLAIMS, **claims}) is None
    assert SignIn.of({}) is None


@pytest.mark.parametrize(
    ("claims", "name"),
    [({}, "Ann"), ({"name": " "}, "Ann@Example.org"), ({"name": 7, "email": None}, "Signed in")],
)
def test_a_person_always_has_a_name(claims, name):
    assert sign_in(**claims).name == name


def test_streamlits_cookie_and_its_user_are_one_sign_in_and_another_sign_in_is_not():
    cookie = SignIn.of({**CLAIMS, "origin": "https://fer.example"})
    assert cookie is not None
    assert sign_in(tokens={"id": "x"}).digest == cookie.digest
    assert sign_in(nonce="b").digest != cookie.digest
    assert sign_in(nonce="b").key == cookie.key


@pytest.mark.parametrize(
    ("address", "entries", "listed"),
    [
        ("ann@example.org", ["ann@example.org"], True),
        ("ANN@Example.ORG", [" ann@example.org "], True),
        ("ann@example.org", ["@Example.org"], True),
        ("ann@example.org", ["example.org"], False),
        ("ann@example.org", [], False),
        ("ann@example.org", ["bob@example.org", "@example.com"], False),
        ("ann@sub.example.org", ["@example.org"], False),
        ("ann@evilexample.org", ["@example.org"], False),
        ("ann@example.org.evil.net", ["@example.org"], False),
        ("ann@evil.net@example.org", ["@example.org"], False),
        ("ann@evil.net @example.org", ["@example.org"], False),
        ("@example.org", ["@example.org"], False),
        ("", ["@", ""], False),
        ("ann@", ["@"], False),
        ("stra\u00dfe@example.org", ["strasse@example.org"], False),
        ("\u212aim@example.org", ["kim@example.org"], False),  # the Kelvin sign, whose lower case is a k
        ("ann@example.org\n", ["ann@example.org"], False),
        ("a\ud800@example.org", ["b@example.org"], False),
    ],
)
def test_addresses_and_domains_are_compared_whole(address, entries, listed):
    assert is_listed(address, entries) is listed


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({}, None),
        ({"email": "ann@other.org"}, "unlisted"),
        ({"email": None}, "unlisted"),
        ({"email_verified": True}, None),
        ({"email_verified": "true"}, None),
        ({"email_verified": False}, "unverified"),
        ({"email_verified": "False"}, "unverified"),
        ({"iat": NOW - 3599}, None),
        ({"iat": NOW - 3600}, "expired"),
        ({"iat": NOW + 200}, None),
        ({"iat": NOW + 400}, "expired"),
        ({"iat": float("nan")}, "expired"),
    ],
)
def test_a_person_is_refused_for_a_reason(signed_out, claims, why):
    assert refusal(sign_in(**claims), SETTINGS, signed_out, now=NOW) == why


def test_an_empty_list_admits_nobody(signed_out):
    assert refusal(sign_in(), ServeSettings(), signed_out, now=NOW) == "unlisted"


def test_signing_out_ends_one_sign_in_for_good(signed_out, tmp_path):
    one, other = sign_in(), sign_in(nonce="b")
    assert one not in signed_out
    signed_out.add(one)
    signed_out.add(one)
    assert refusal(one, SETTINGS, SignedOut(Workspace(tmp_path)), now=NOW) == "signed_out"
    assert refusal(other, SETTINGS, signed_out, now=NOW) is None


def test_a_sign_out_is_forgotten_when_its_cookie_no_longer_works(signed_out, tmp_path):
    old, recent = sign_in(), sign_in(nonce="b")
    signed_out.add(old)
    signed_out.add(recent)
    ago = time.time() - COOKIE_SECONDS - 60
    os.utime(tmp_path / "signed-out" / old.digest, (ago, ago))
    signed_out.add(sign_in(nonce="c"))
    assert old not in signed_out
    assert recent in signed_out


def test_operators_are_listed_too():
    assert is_operator(sign_in(), ServeSettings(operators=("ann@example.org",)))
    assert not is_operator(sign_in(), SETTINGS)
