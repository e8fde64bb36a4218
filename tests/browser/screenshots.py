"""Pictures of every page: ``python -m tests.browser.screenshots OUT``, at two sizes, in light and dark, empty and filled."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from fer_core.workspace import Workspace, write_json
from pages.ui.shell.navigation import pages
from tests.browser.app import Server, chromium, serve
from tests.run_factory import make_run, write_status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"wide": (1440, 900), "phone": (390, 844)}


def settle(page: Page, timeout: float = 60_000) -> None:
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


def main(out: Path) -> None:
    """Take all pictures, first of an empty workspace, then of one with runs of every kind."""
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
