"""Settings of a shared server: where they are read from, and when a server is shared."""

import pytest

from fer_core.errors import ConfigError
from fer_core.serve.settings import ServeSettings, mode, read_settings
from fer_core.workspace import Workspace


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    monkeypatch.delenv("FER_SHARED", raising=False)
    monkeypatch.delenv("FER_SERVE", raising=False)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_without_a_file_all_settings_have_their_defaults(workspace):
    assert read_settings(workspace) == ServeSettings()


def test_the_file_in_the_workspace_is_read(workspace):
    (workspace.root / "serve.toml").write_text(
        'allow = ["@example.org"]\ncameras = 2\n[sources]\nfaces = "/srv/faces"\n'
    )
    found = read_settings(workspace)
    assert (found.allow, found.cameras, str(found.sources["faces"])) == (("@example.org",), 2, "/srv/faces")


@pytest.mark.parametrize("text", ["camera = 2", "cameras = -1", "cameras = ", "\x00"])
def test_a_wrong_file_is_named_with_what_is_wrong(workspace, text):
    (workspace.root / "serve.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"serve\.toml"):
        read_settings(workspace)


def test_a_file_that_was_named_must_exist(workspace, monkeypatch):
    monkeypatch.setenv("FER_SERVE", str(workspace.root / "other.toml"))
    with pytest.raises(ConfigError, match=r"other\.toml, which does not exist"):
        read_settings(workspace)


@pytest.mark.parametrize(
    ("value", "address", "expected"),
    [
        (None, "127.0.0.1", "local"),
        (None, "localhost", "local"),
        (None, "::1", "local"),
        (None, "0.0.0.0", "shared"),
        (None, "", "shared"),
        (None, None, "shared"),
        (None, "10.0.0.2", "shared"),
        ("0", "0.0.0.0", "shared"),
        ("1", "127.0.0.1", "shared"),
        ("open", "127.0.0.1", "open"),
        ("open", "0.0.0.0", "open"),
    ],
)
def test_a_server_beyond_loopback_is_shared_unless_told_otherwise(monkeypatch, value, address, expected):
    if value is not None:
        monkeypatch.setenv("FER_SHARED", value)
    assert mode(address) == expected


def test_an_unknown_mode_is_refused(monkeypatch):
    monkeypatch.setenv("FER_SHARED", "yes")
    with pytest.raises(ConfigError, match="FER_SHARED is 'yes'"):
        mode("127.0.0.1")
