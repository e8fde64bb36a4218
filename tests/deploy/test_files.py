"""The files of deploy/: the programs that read them accept them, and they agree with the code and with docs/deploy.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from fer_core.serve.settings import ServeSettings
from tests.paths import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"
PAGE = (PROJECT_ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )


def verify(folder: Path, unit: str) -> str:
    """What ``systemd-analyze verify`` says about a unit, with a stand-in for the program that it starts."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = folder / "streamlit"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = folder / "fer-lab.service"
    path.write_text(unit.replace("/opt/fer-lab/venv/bin/streamlit", str(program)))
    done = run("systemd-analyze", "verify", str(path))
    return done.stdout + done.stderr if done.returncode == 0 else f"status {done.returncode}: {done.stderr}"


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    assert verify(tmp_path, (DEPLOY / "fer-lab.service").read_text()) == ""


def test_systemd_finds_a_misspelled_option(tmp_path):
    unit = (DEPLOY / "fer-lab.service").read_text().replace("ProtectHome=", "ProtectHomes=")
    assert "ProtectHomes" in verify(tmp_path, unit)


@pytest.mark.parametrize("tls", ["", "tls internal"])
def test_caddy_accepts_the_proxy(tls):
    if shutil.which("caddy") is None:
        pytest.skip("Caddy is not installed")
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    done = run(*command, FER_DOMAIN="fer.example.org", FER_TLS=tls)
    assert done.returncode == 0, done.stderr
    broken = run(*command, FER_DOMAIN="fer.example.org", FER_TLS="tls external")
    assert broken.returncode != 0


def test_the_example_of_the_settings_is_valid():
    settings = ServeSettings.parse(tomllib.loads((DEPLOY / "serve.toml").read_text()))
    assert settings.allow
    assert settings.relay


def test_the_example_of_the_secrets_has_what_sign_in_needs():
    auth = tomllib.loads((DEPLOY / "secrets.toml").read_text())["auth"]
    assert set(auth) == {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"}


def test_every_variable_is_explained_and_every_file_is_installed():
    variables = re.findall(r"^#?(FER_\w+)=", (DEPLOY / "fer-lab.env").read_text(), re.MULTILINE)
    assert len(variables) >= 5
    explained = PAGE + (PROJECT_ROOT / "docs" / "cli.md").read_text()
    assert [name for name in variables if f"| `{name}` |" not in explained] == []
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    files = [path.name for path in DEPLOY.iterdir() if path.is_file() and path.suffix != ".py"]
    assert len(files) >= 7
    assert [name for name in files if not re.search(rf"\b{re.escape(name)}\b", blocks)] == []


def test_every_placeholder_is_filled_by_the_page():
    """Those of the provider are filled by hand."""
    text = "".join(path.read_text() for path in DEPLOY.iterdir() if path.suffix in (".conf", ".toml"))
    placeholders = {"RELAY_SECRET", "MACHINE_ADDRESS", "COOKIE_SECRET", "FER_DOMAIN"}
    assert all(name in text and f"s/{name}/" in PAGE for name in placeholders)
    assert "CLIENT_ID" in text
    assert "`client_id`, `client_secret`" in PAGE
