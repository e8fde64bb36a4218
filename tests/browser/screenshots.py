"""Screenshots of the app.

``python -m tests.browser.screenshots OUT`` takes every page at two sizes, light and dark, empty and filled.
``python -m tests.browser.screenshots --readme`` retakes those of the README, of drawn faces only, in ``assets/screenshots``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from PIL import Image

from fer_core.resources import asset
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from pages.ui.shell.navigation import pages
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, chromium, serve
from tests.browser.camera import camera_flags
from tests.paths import PROJECT_ROOT
from tests.run_factory import make_run, write_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

SIZES = {"wide": (1440, 900), "phone": (390, 844)}
README_PAGES = ("overview", "train", "evaluate", "upload", "webcam")
README_DATA = "synthetic:1400"
README_CAMERA = "two-portraits.jpg"
MAX_BYTES = 350_000
"""Of a screenshot in the README."""
PATIENCE = 120_000  # milliseconds
PLAYING = "(() => { const v = document.querySelector('video'); return v && v.videoWidth > 0 && v.currentTime > 3; })()"


def settle(page: Page, timeout: float = PATIENCE) -> None:
    """Wait until the script has run, nothing loads, and charts are drawn."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=timeout)
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')", timeout=timeout)
    page.wait_for_timeout(900)


def shoot(browser: Browser, server: Server, out: Path, prefix: str) -> None:
    """Every page at every size in both themes; whole pages, not only what fits on the screen."""
    for theme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
            )
            page = context.new_page()
            for entry in pages():
                page.goto(server.page(entry.url))
                settle(page)
                full = page.evaluate(
                    "Math.max(...[...document.querySelectorAll('[data-testid=stMain]')].map(e => e.scrollHeight))"
                )
                page.set_viewport_size({"width": width, "height": max(height, min(int(full), 6000))})
                page.wait_for_timeout(500)
                page.screenshot(path=out / f"{prefix}-{entry.url}-{size}-{theme}.png")
                page.set_viewport_size({"width": width, "height": height})
            context.close()


def all_pages(out: Path) -> None:
    """Take all pages, first of an empty workspace, then of one with runs of every kind."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        write_json(Path(folder) / "empty" / "app.json", {"data": "synthetic:2100"})
        with serve(Path(folder) / "empty") as server:
            shoot(browser, server, out, "empty")
        workspace = Workspace(Path(folder) / "filled")
        write_json(workspace.app_state, {"data": "synthetic:2100"})
        make_run("plain augmentation", epochs=14, weights=True, workspace=workspace)
        make_run("as the report did", epochs=14, protocol="leaky", weights=True, workspace=workspace)
        make_run(
            "too fast",
            epochs=2,
            planned=14,
            state="failed",
            error="The loss stopped being a finite number in epoch 3, step 12. Lower the learning rate (it peaks at 0.5).",
            workspace=workspace,
        )
        make_run("power cut", epochs=5, planned=14, state="running", gain=0.8, workspace=workspace)
        live = make_run("running now", epochs=6, planned=14, state="running", weights=True, workspace=workspace)
        write_status(
            live, "running", epoch=6, epochs=14, step=120, steps_per_epoch=224, images_per_second=918.0,
            seconds_left=252.0, learning_rate=2.1e-3, train_loss=0.912, train_accuracy=0.671,
        )  # fmt: skip
        with FileLock(live.path / "run.lock"), serve(workspace.root) as server:
            shoot(browser, server, out, "filled")


def readme(out: Path) -> None:
    """Take the screenshots of the README: a short training on drawn faces, and drawn faces at the camera."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        command = ["train", "--data", README_DATA, "--preset", "standard", "--epochs", "6", "--name", "First run"]
        subprocess.run(
            [sys.executable, "-m", "fer_core", *command],
            cwd=PROJECT_ROOT,
            env={**os.environ, "FER_HOME": str(workspace.root)},
            check=True,
        )
        shoot_readme(workspace, out)


def shoot_readme(workspace: Workspace, out: Path) -> None:
    """Take the screenshots of the README from a workspace with a finished run on :data:`README_DATA`."""
    out.mkdir(parents=True, exist_ok=True)
    width, height = SIZES["wide"]
    run = list_runs(workspace)[0].id
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(workspace.root) as server,
        browser_with_camera(Path(folder)) as browser,
    ):
        for name in README_PAGES:
            write_json(workspace.app_state, {"data": README_DATA, "model": run if name == "evaluate" else None})
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
            page = context.new_page()
            page.goto(server.page(name))
            settle(page)
            if name == "webcam":
                watch(page)
            page.get_by_text("Workspace:").evaluate("e => e.remove()")  # the path of a temporary folder
            save_small(page.screenshot(), out / f"{name}.png")
            context.close()


@contextmanager
def browser_with_camera(folder: Path) -> Iterator[Browser]:
    """A Chromium whose camera shows a sample photograph."""
    from playwright.sync_api import sync_playwright

    clip = folder / "camera.y4m"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-loop", "1", "-i", str(asset("samples", README_CAMERA))]
    subprocess.run([*command, "-t", "1", "-r", "15", "-s", "960x640", "-pix_fmt", "yuv420p", str(clip)], check=True)
    with sync_playwright() as playwright:
        flags = [*CHROMIUM_FLAGS, *camera_flags(clip)]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        try:
            yield browser
        finally:
            browser.close()


def watch(page: Page) -> None:
    """Start the camera and wait until its faces have a timeline."""
    frame = page.locator("iframe[title*=webrtc]").element_handle().content_frame()
    assert frame is not None
    frame.get_by_role("button", name="START").click()
    frame.wait_for_function(PLAYING, timeout=PATIENCE)
    page.get_by_role("button", name="Send this face to Upload").nth(1).wait_for(timeout=PATIENCE)
    page.wait_for_timeout(8000)
    page.mouse.move(5, 5)


def save_small(content: bytes, path: Path) -> None:
    """Write a PNG with at most 256 colors.

    Raises:
        ValueError: the file is too large for a README.
    """
    with Image.open(BytesIO(content)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are allowed.")


if __name__ == "__main__":
    if sys.argv[1:] == ["--readme"]:
        readme(asset("screenshots"))
    else:
        all_pages(Path(sys.argv[1]))
