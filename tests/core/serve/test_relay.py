"""Credentials of the relay: what coturn expects, how long, and what is wrong when there are none."""

import pytest

from fer_core.errors import ConfigError
from fer_core.serve.relay import relay_access, relay_password
from fer_core.serve.settings import ServeSettings

TURN = "turn:fer.example.org:3478?transport=udp"
STUN = "stun:fer.example.org:3478"
SECRET = "correct horse battery staple"
USER = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "relay-secret"
    path.write_text(f"{SECRET}\n")
    return path


def test_the_password_is_that_of_openssl():
    """``printf NAME | openssl dgst -sha1 -hmac SECRET -binary | base64``"""
    assert relay_password(SECRET, f"1600000000:{USER}") == "UHydEXrHQWGS9sg2RTir7p7vRQc="


def test_a_browser_gets_addresses_name_and_password(secret_file):
    settings = ServeSettings(relay=(STUN, TURN), relay_secret_file=secret_file, relay_minutes=10)
    access = relay_access(settings, USER, 1600000000.0 - 600)
    assert access is not None
    assert access.expires == 1600000000
    assert access.servers == (
        {"urls": [STUN]},
        {"urls": [TURN], "username": f"1600000000:{USER}", "credential": "UHydEXrHQWGS9sg2RTir7p7vRQc="},
    )


def test_without_a_relay_there_is_nothing_to_reach():
    assert relay_access(ServeSettings(), USER, 0.0) is None


def test_a_stun_server_needs_no_secret():
    access = relay_access(ServeSettings(relay=(STUN,)), USER, 0.0)
    assert access is not None
    assert access.servers == ({"urls": [STUN]},)


def test_without_a_secret_the_error_says_what_to_write_where(tmp_path):
    with pytest.raises(ConfigError, match=r"no relay_secret_file\. Write there .*static-auth-secret"):
        relay_access(ServeSettings(relay=(TURN,)), USER, 0.0)
    missing = ServeSettings(relay=(TURN,), relay_secret_file=tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"missing cannot be read \(No such file"):
        relay_access(missing, USER, 0.0)


@pytest.mark.parametrize(("content", "reason"), [(b" \n", "is empty"), (b"\xff\xfe", "cannot be read")])
def test_a_secret_that_is_none_is_named(tmp_path, content, reason):
    path = tmp_path / "relay-secret"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        relay_access(ServeSettings(relay=(TURN,), relay_secret_file=path), USER, 0.0)


@pytest.mark.parametrize("address", ["turn://fer.example.org", "fer.example.org:3478", "https:x", "turn:", "turn:a b"])
def test_what_is_no_address_of_a_relay_is_refused(address):
    with pytest.raises(ConfigError, match="relay"):
        ServeSettings.parse({"relay": [address]})
