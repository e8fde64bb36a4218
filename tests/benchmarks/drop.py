"""How long after the drop of a photograph its faces stand there: ``python -m tests.benchmarks.drop [PHOTO]``.

A photograph of 12 million pixels with five faces is dropped into the Upload page of a real browser, each time with
other noise in it, so that nothing comes from a cache. Prints the time until the faces are boxed, and until the bars and
the maps of Gradient and Grad-CAM stand there too and the page rests.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from fer_core.images import read_photo
from fer_core.resources import asset
from fer_core.workspace import Workspace, write_json
from tests.browser.app import Server, chromium, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLE = asset("samples", "five-portraits.jpg")
SIZE = 4000, 3000
ROUNDS = 12

BOXED = """name => [...document.querySelectorAll("[data-testid=stCaptionContainer]")].some((c) => c.innerText.includes(name))
  && [...document.querySelectorAll("img")].some((i) => /^[1-9]\\d* faces?:/.test(i.alt) && i.complete && i.naturalWidth)"""
MAPS = """[...document.querySelectorAll("img")].filter((i) => /^(Grad-CAM|Gradient) for/.test(i.alt))"""
DONE = f"""([name, before]) => ({BOXED})(name)
  && {MAPS}.length === 2 && {MAPS}.every((i) => i.complete && i.naturalWidth && !before.includes(i.src))
  && [...document.querySelectorAll("h4, h5, strong, p")].some((e) => /^Face 1: /.test(e.innerText))
  && document.querySelector("[data-testid=stApp]").dataset.testScriptState === "notRunning" """


def large(photo: Path) -> npt.NDArray[np.uint8]:
    """The photograph enlarged and padded to 4000×3000 pixels, uint8 BGR."""
    rgb = read_photo(photo).rgb
    scale = min(SIZE[0] / rgb.shape[1], SIZE[1] / rgb.shape[0])
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    enlarged = cv2.resize(rgb[..., ::-1], size, interpolation=cv2.INTER_CUBIC)
    below, right = SIZE[1] - size[1], SIZE[0] - size[0]
    padded = cv2.copyMakeBorder(
        enlarged, below // 2, below - below // 2, right // 2, right - right // 2, cv2.BORDER_CONSTANT, value=(160,) * 3
    )
    return np.asarray(padded, dtype=np.uint8)


def noisy(picture: npt.NDArray[np.uint8], seed: int) -> bytes:
    """A JPEG of the picture with grain as a camera's, another one for each seed; about 5 MB."""
    cv2.setRNGSeed(seed)
    grain = cv2.randu(np.empty(picture.shape, np.uint8), (0, 0, 0), (16, 16, 16))
    return bytes(cv2.imencode(".jpg", cv2.add(picture, grain), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def drop(page: Page, server: Server, photo: Path) -> tuple[float, float]:
    """Seconds from the drop to the boxes, and to everything."""
    page.goto(server.page("upload"))
    page.wait_for_function(f"{MAPS}.length === 2 && {MAPS}.every((i) => i.complete)")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_timeout(700)
    before = page.evaluate(f"{MAPS}.map((i) => i.src)")
    start = time.perf_counter()
    page.locator("input[type=file]").first.set_input_files(str(photo))
    page.wait_for_function(BOXED, arg=photo.name, polling=20)
    boxed = time.perf_counter() - start
    page.wait_for_function(DONE, arg=[photo.name, before], polling=20)
    return boxed, time.perf_counter() - start


def report(what: str, seconds: list[float]) -> None:
    """Median, 95% and worst."""
    p95 = float(np.quantile(seconds, 0.95))
    print(f"  {what:34} median {statistics.median(seconds):.2f} s   p95 {p95:.2f} s   worst {max(seconds):.2f} s")


def main(photo: Path) -> None:
    """Measure and print."""
    picture = large(photo)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in range(ROUNDS + 1):
            files.append(Path(folder) / f"drop-{number}.jpg")
            files[-1].write_bytes(noisy(picture, number))
        megabytes = files[-1].stat().st_size / 1e6
        workspace = Workspace(Path(folder) / "workspace")
        write_json(workspace.app_state, {"data": "synthetic:490"})
        with serve(workspace.root) as server, chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            drop(page, server, files[0])  # the first visit loads torch and the network
            times = [drop(page, server, file) for file in files[1:]]
            faces = page.locator("img[alt*=' faces: ']").first.get_attribute("alt")
    print(f"{SIZE[0]}×{SIZE[1]} pixels, {megabytes:.1f} MB, {str(faces).partition(':')[0]}, n {len(times)}, "
          f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # fmt: skip
    report("drop -> faces boxed", [boxed for boxed, _ in times])
    report("drop -> bars and maps, page at rest", [done for _, done in times])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
