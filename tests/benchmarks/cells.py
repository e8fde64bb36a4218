"""How long after a click on a cell of the matrix its faces stand there: ``python -m tests.benchmarks.cells DATA``.

The Evaluate page in a real browser, on the test split of DATA (FER2013) with the shipped network; the clicks go to its
three largest cells in turn. Prints the time until the first face of the cell is drawn and the page rests.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_core.classes import ClassList
from fer_core.data import load
from fer_core.evaluation.cache import cached_predictions
from fer_core.evaluation.cells import cell_faces, rank
from fer_core.evaluation.metrics import confusion_matrix
from fer_core.workspace import Workspace, write_json
from tests.browser.app import chromium, serve

SEVEN = ClassList.fer2013().names

if TYPE_CHECKING:
    from playwright.sync_api import Page

MODEL = "seed"
ROUNDS = 4  # clicks on each of the three cells

PLACE = """([t, p]) => {
  const chart = document.querySelector(".js-plotly-plot"), {xaxis, yaxis} = chart._fullLayout;
  const box = chart.getBoundingClientRect();
  return [box.left + xaxis._offset + xaxis.d2p(p),
          box.top + yaxis._offset + yaxis.d2p(t)];
}"""
SHOWN = """([n, face]) => {
  const faces = document.querySelectorAll(".fer-gallery button[data-face]");
  return faces.length === n && faces[0].dataset.face === face && faces[0].firstChild.complete
    && document.querySelector("[data-testid=stApp]").dataset.testScriptState === "notRunning";
}"""


def click(page: Page, true: str, predicted: str, shown: int, first: int) -> float:
    """Seconds from a click on the cell to its first page of faces, ``first`` in front."""
    page.evaluate("document.querySelector('.js-plotly-plot').scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1500)
    x, y = page.evaluate(PLACE, [true, predicted])
    page.mouse.move(x - 4, y - 8)
    page.mouse.move(x + 8, y + 8)
    start = time.perf_counter()
    page.mouse.click(x + 8, y + 8)
    page.wait_for_function(SHOWN, arg=[shown, str(first)], polling=20)
    return time.perf_counter() - start


def main(source: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        write_json(workspace.app_state, {"data": source, "model": MODEL})
        dataset = load(source, workspace=workspace)
        test = dataset.indices("test")
        predictions = cached_predictions(MODEL, dataset, "test", workspace=workspace)
        confusion = confusion_matrix(predictions.labels, predictions.predicted, len(SEVEN))
        largest = [divmod(int(cell), len(SEVEN)) for cell in np.argsort(-confusion.ravel())[:3]]
        with serve(workspace.root) as server, chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 1400})
            page.set_default_timeout(120_000)
            page.goto(server.page("evaluate"))
            page.locator(".fer-gallery button[data-face]").first.wait_for()
            page.locator(".st-key-evaluate-split").get_by_role("combobox").click()
            page.get_by_role("option", name="Test").click()
            page.get_by_text(f"{len(test):,} faces,").wait_for()
            times: dict[str, list[float]] = {}
            for number in range(ROUNDS + 1):
                for true, predicted in largest:
                    faces = test[rank(predictions, cell_faces(predictions, true, predicted), "confidence")[0]]
                    seconds = click(page, SEVEN[true], SEVEN[predicted], min(48, len(faces)), int(faces[0]))
                    if number:  # the first round warms up
                        times.setdefault(f"{SEVEN[true]} → {SEVEN[predicted]}, {len(faces)} faces", []).append(seconds)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, seconds_each in {**times, "all": [s for each in times.values() for s in each]}.items():
        print(
            f"  {name:32} median {statistics.median(seconds_each):.2f} s   p95 {np.quantile(seconds_each, 0.95):.2f} s   "
            f"worst {max(seconds_each):.2f} s   n {len(seconds_each)}"
        )


if __name__ == "__main__":
    main(sys.argv[1])
