"""How fast the app answers while a training runs: ``python -m tests.benchmarks.responsiveness``.

Prints the time from a click to the finished page, for menu and button, and from an epoch's line on disk to its point
in the chart; without and with a training that uses all cores.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.config import TrainConfig
from fer_core.training import background
from fer_core.training.runs import Run
from fer_core.workspace import Workspace, write_json
from tests.browser.app import Server, chromium, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

FACES = "synthetic:1400"
ROUNDS = 6


def milliseconds(page: Page, click: Callable[[], None], done: str) -> float:
    """Time until ``done`` (a JavaScript condition) holds after a click and the script has ended."""
    start = time.perf_counter()
    click()
    page.wait_for_function(
        f"({done}) && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'",
        polling=20,
    )
    return 1000 * (time.perf_counter() - start)


def measure(page: Page, server: Server) -> dict[str, list[float]]:
    """Clicks through the menu and on a button of the Data page."""
    page.goto(server.page("overview"))
    page.wait_for_selector(".fer-gallery img")
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name in ("Data", "Train", "Overview"):
            heading = "See how a network reads a face, and when to trust it" if name == "Overview" else name
            link = page.get_by_role("link", name=name, exact=True).first
            shown = f"document.querySelector('h1')?.textContent.trim() === '{heading}'"
            found.setdefault(f"open {name}", []).append(milliseconds(page, link.click, shown))
    to_data = page.get_by_role("link", name="Data", exact=True).first
    milliseconds(page, to_data.click, "document.querySelector('h1')?.textContent.trim() === 'Data'")
    for _ in range(ROUNDS):
        page.locator(".fer-gallery img").first.evaluate("image => { image.dataset.old = 1; }")
        button = page.get_by_role("button", name="Reshuffle")
        found.setdefault("reshuffle faces", []).append(
            milliseconds(page, button.click, "!document.querySelector('.fer-gallery img[data-old]')")
        )
    return found


def epoch_delays(page: Page, server: Server, run: Run, epochs: int) -> list[float]:
    """From the change of ``metrics.jsonl`` to the chart, for the next epochs."""
    page.goto(server.page("train"))
    page.wait_for_selector(".fer-live-chart .main-svg")
    delays = []
    for _ in range(epochs):
        wanted = len(run.records()) + 1
        page.wait_for_function(
            "n => [...document.querySelectorAll('.fer-live-chart')].some((c) => c.data?.[0]?.x.length >= n)",
            arg=wanted,
            polling=20,
            timeout=300_000,
        )
        delays.append(1000 * (time.time() - (run.path / "metrics.jsonl").stat().st_mtime))
    return delays


def report(title: str, found: dict[str, list[float]]) -> None:
    """Median and worst of each."""
    print(f"\n{title} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    for name, values in found.items():
        print(f"  {name:24} median {statistics.median(values):6.0f} ms   worst {max(values):6.0f} ms   n {len(values)}")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        write_json(workspace.app_state, {"data": FACES})
        with serve(workspace.root) as server, chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            measure(page, server)  # the first visits load the data and torch
            report("nothing trains", measure(page, server))
            run = background.start(TrainConfig(data=FACES, epochs=500), "benchmark", workspace=workspace)
            try:
                while not run.records():
                    time.sleep(0.2)
                report("while a training runs", measure(page, server))
                report("epoch written -> in the chart", {"delay": epoch_delays(page, server, run, 5)})
            finally:
                run.request_stop()
                while run.is_alive():
                    time.sleep(0.2)


if __name__ == "__main__":
    main()
