"""The wheel, installed into a fresh environment outside the checkout: predicts, serves, and opens a window."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_core.launcher import free_port
from fer_core.resources import asset
from tests.browser.app import CHROMIUM, chromium
from tests.paths import PROJECT_ROOT

pytestmark = pytest.mark.slow
needs_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (/usr/bin/chromium)")


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, timeout=500, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, PROJECT_ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of programs of a fresh environment that holds the wheel and what it depends on."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", environment)
    run(environment / "bin" / "python", "-m", "pip", "install", "-q", wheel)
    return environment / "bin"


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment without anything that could lead back to the checkout."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV", "DISPLAY")}
    return {**kept, "FER_HOME": str(home), **more}


@contextlib.contextmanager
def app(installed: Path, folder: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """``fer-lab app`` in an empty folder, ended with the block."""
    process = subprocess.Popen(
        [str(installed / "fer-lab"), "app", *options],
        cwd=folder,
        env=clean_environment(folder / "home", **environment),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()
        process.stderr.close()


def address(process: subprocess.Popen[str]) -> str:
    """What the launcher says first: where the app is."""
    for line in process.stderr:
        if line.startswith("FER Lab is at "):
            return line.split()[4]
    raise AssertionError("the launcher ended without an address")


def test_the_wheel_has_one_top_level_name_and_no_pictures_of_the_readme(wheel):
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"fer_core"}
    assert "fer_core/py.typed" in names
    assert "fer_core/_app/.streamlit/config.toml" in names
    assert not [name for name in names if "screenshots" in name or "__pycache__" in name]


def test_the_wheel_predicts_in_an_empty_folder(installed, elsewhere):
    photo = elsewhere / "photo.jpg"
    shutil.copy(asset("samples", "two-portraits.jpg"), photo)
    environment = clean_environment(elsewhere / "home")
    found = run(installed / "fer-lab", "predict", photo, "--json", cwd=elsewhere, env=environment)
    assert len(json.loads(found.stdout)["photos"][0]["faces"]) == 2
    where = run(installed / "python", "-c", "import fer_core; print(fer_core.__file__)", cwd=elsewhere, env=environment)
    assert str(PROJECT_ROOT) not in where.stdout


def test_the_wheel_keeps_its_data_in_the_platforms_folder_and_says_when_it_cannot(installed, elsewhere):
    environment = clean_environment(elsewhere / "home", XDG_DATA_HOME=str(elsewhere / "data"))
    del environment["FER_HOME"]
    run(installed / "fer-lab", "data", "synthetic:70", cwd=elsewhere, env=environment)
    assert (elsewhere / "data" / "fer-lab" / "cache").is_dir()
    assert not (elsewhere / "workspace").exists()
    (elsewhere / "file").write_text("in the way")
    environment["XDG_DATA_HOME"] = str(elsewhere / "file")
    train = [str(installed / "fer-lab"), "train", "--data", "synthetic:140", "--epochs", "1", "--set", "batch_size=32"]
    refused = subprocess.run(
        train, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert refused.returncode == 2
    assert "FER_HOME" in refused.stderr.splitlines()[-1]


@needs_browser
def test_the_wheel_serves_its_pages(installed, elsewhere):
    with app(installed, elsewhere, "--port", str(free_port(21000))) as process, chromium() as browser:
        url = address(process)
        page = browser.new_page()
        for name, heading in {
            "": "See how a network reads a face, and when to trust it",
            "train": "Train",
            "upload": "Upload",
        }.items():
            page.goto(f"{url}/{name}")
            page.get_by_role("heading", name=heading, exact=True).first.wait_for(timeout=60_000)
        assert not (elsewhere / "workspace").exists()


@needs_browser
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_the_window_shows_a_page_and_ends_the_server_when_it_closes(installed, elsewhere, tmp_path):
    from playwright.sync_api import sync_playwright

    debugging = free_port(22000)
    flags = f"--no-sandbox --disable-gpu --remote-debugging-port={debugging}"
    shown, told = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(told), "-screen", "0", "1600x1000x24"], stderr=subprocess.DEVNULL, pass_fds=[told]
    )
    try:
        number = os.read(shown, 10).decode().strip()
        options = ["--window", "--port", str(free_port(23000))]
        with app(installed, elsewhere, *options, DISPLAY=f":{number}", FER_BROWSER_FLAGS=flags) as process:
            url = address(process)
            with sync_playwright() as playwright:
                page = window(playwright, debugging)
                page.get_by_role("heading", name="See how a network reads a face").first.wait_for(timeout=60_000)
                assert page.url.startswith(url)
                page.close()
            assert process.wait(30) == 0
        from fer_core.launcher import is_healthy

        assert not is_healthy(url)
    finally:
        screen.kill()
        screen.wait()
        os.close(shown)
        os.close(told)


def window(playwright, port: int):
    """The page of a browser that opens its debugging port a moment after it starts."""
    from playwright.sync_api import Error

    for _ in range(150):
        with contextlib.suppress(Error):
            return playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}").contexts[0].pages[0]
        subprocess.run(["sleep", "0.2"], check=True)
    raise AssertionError("no window opened")
