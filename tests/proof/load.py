"""Four browsers at once on one server: one trains, one stands before the camera, one evaluates, one uploads.

``python -m tests.proof.load [--seconds 300]`` prints how long clicks took, the server's memory after the first minute
and at the end, the share of the processor each side had, and whatever went wrong. Each browser works in a thread of its
own; the server and its training are processes of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fer_core.data.synthetic import draw_face
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, serve
from tests.browser.camera import camera_flags, faces_clip
from tests.browser.conftest import is_complaint, leaves

if TYPE_CHECKING:
    from playwright.sync_api import Page

FACES = "synthetic:2100"


@dataclass
class Watch:
    """What the browsers saw; each list is appended to by one thread at a time."""

    clicks: dict[str, list[float]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def timed(self, who: str, page: Page, act: Callable[[], object]) -> None:
        """Do something and note how long it took until the page's script had run."""
        started = time.perf_counter()
        act()
        page.wait_for_timeout(30)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)
        self.clicks.setdefault(who, []).append(time.perf_counter() - started)


def _browser(who: str, url: str, watch: Watch, work: Callable[[Page], None], flags: list[str]) -> None:
    """In a thread of its own: a Chromium that repeats ``work`` until told to stop."""
    from playwright.sync_api import sync_playwright

    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *flags])
            page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
            page.set_default_timeout(60_000)
            page.on("pageerror", lambda error: watch.complaints.append(f"{who}: {error}"))
            page.on(
                "console",
                lambda message: watch.complaints.append(f"{who}: {message.text}") if is_complaint(message) else None,
            )
            page.on(
                "request",
                lambda r: watch.complaints.append(f"{who} left this machine: {r.url}") if leaves(r.url) else None,
            )
            page.goto(url)
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            while not watch.stop.is_set():
                work(page)
                if page.locator("[data-testid=stException]").count():
                    watch.complaints.append(f"{who}: a traceback on the page")
            browser.close()
    except Exception:
        watch.complaints.append(f"{who}: {traceback.format_exc()}")


def _trainer(watch: Watch, home: Path) -> Callable[[Page], None]:
    def work(page: Page) -> None:
        if not list_runs(Workspace(home)):
            watch.timed("train", page, lambda: page.get_by_role("button", name="Start training").click())
        page.wait_for_timeout(2000)
        watch.timed("train", page, page.get_by_text("Length and batches").first.click)

    return work


def _watcher(watch: Watch) -> Callable[[Page], None]:
    playing = False

    def work(page: Page) -> None:
        nonlocal playing
        frame = page.locator("iframe[title*=webrtc]").element_handle().content_frame()
        if not playing:
            frame.get_by_role("button", name="START").click()
            frame.wait_for_function(
                "(() => { const v = document.querySelector('video'); return v && v.currentTime > 0; })()"
            )
            playing = True
        slider = page.get_by_role("slider", name="Smoothing (seconds)")
        slider.focus()
        watch.timed("webcam", page, lambda: page.keyboard.press("ArrowRight" if random.random() < 0.5 else "ArrowLeft"))
        page.wait_for_timeout(1500)

    return work


def _evaluator(watch: Watch) -> Callable[[Page], None]:
    def work(page: Page) -> None:
        for name in ("Hide the diagonal", "Sort by confusion"):
            watch.timed("evaluate", page, page.get_by_text(name, exact=True).click)
            page.wait_for_timeout(1500)

    return work


def _uploader(watch: Watch, photos: list[Path]) -> Callable[[Page], None]:
    turn = 0

    def work(page: Page) -> None:
        nonlocal turn
        photo = photos[turn % len(photos)]
        turn += 1
        chooser = page.locator("[data-testid=stFileUploader] input[type=file]").first
        watch.timed("upload", page, lambda: chooser.set_input_files(str(photo)))
        page.wait_for_timeout(2500)

    return work


def _photos(folder: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = []
    for i, emotion in enumerate(("happy", "surprise", "neutral", "sad")):
        canvas = np.full((600, 800), 110, np.uint8)
        canvas[120:480, 220:580] = draw_face(emotion, rng, size=360)
        paths.append(folder / f"photo-{i}.png")
        Image.fromarray(canvas).save(paths[-1])
    return paths


def _processes() -> dict[int, tuple[int, str, float]]:
    """Process id -> (parent, command line, processor seconds used)."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                text = (entry / "stat").read_text()
                fields = text[text.rindex(")") + 2 :].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(entry.name)] = (int(fields[1]), command, (int(fields[11]) + int(fields[12])) / tick)
    return found


def _memory(server: Server) -> float:
    """Resident megabytes of the server's process."""
    port = server.url.rpartition(":")[2]
    for pid, (_, command, _) in _processes().items():
        if "streamlit run" in command and port in command:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) / 1024
    return float("nan")


def _share(before: dict[int, tuple[int, str, float]], after: dict[int, tuple[int, str, float]], word: str) -> float:
    return sum(used - before.get(pid, (0, "", 0.0))[2] for pid, (_, command, used) in after.items() if word in command)


def main() -> int:
    """Exit status 0 when nothing went wrong and the figures are within their bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    seconds = parser.parse_args().seconds
    watch = Watch()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        write_json(home / "app.json", {"data": FACES})
        clip, photos = faces_clip(folder / "clip.y4m"), _photos(folder)
        with serve(home) as server:
            works = {
                "train": (_trainer(watch, home), []),
                "webcam": (_watcher(watch), camera_flags(clip)),
                "evaluate": (_evaluator(watch), []),
                "upload": (_uploader(watch, photos), []),
            }
            threads = [
                threading.Thread(target=_browser, args=(who, server.page(who), watch, work, flags), name=who)
                for who, (work, flags) in works.items()
            ]
            for thread in threads:
                thread.start()
            time.sleep(min(60.0, seconds / 2))
            early, before, begun = _memory(server), _processes(), time.monotonic()
            time.sleep(max(1.0, seconds - 60.0) if seconds > 120 else seconds / 2)
            late, after, length = _memory(server), _processes(), time.monotonic() - begun
            watch.stop.set()
            for thread in threads:
                thread.join(90)
            if "Traceback" in server.log.read_text(errors="replace"):
                watch.complaints.append("a traceback in the server's log")
            states = [run.state for run in list_runs(Workspace(home))]
    every = sorted(t for times in watch.clicks.values() for t in times)
    p95 = every[int(0.95 * (len(every) - 1))] if every else float("inf")
    growth = late / early - 1
    print(f"{len(every)} clicks in {seconds:.0f} s, median {every[len(every) // 2]:.2f} s, p95 {p95:.2f} s")
    for who, times in sorted(watch.clicks.items()):
        print(
            f"  {who}: {len(times)} clicks, median {sorted(times)[len(times) // 2]:.2f} s, longest {max(times):.2f} s"
        )
    print(f"server memory {early:.0f} MB after a minute, {late:.0f} MB at the end ({growth:+.1%})")
    cores = os.cpu_count() or 1
    for label, word in (("server", "streamlit run"), ("browsers", "chromium"), ("training", "fer_core train")):
        print(f"  {label}: {_share(before, after, word) / length / cores:.0%} of {cores} cores")
    print(f"training: {', '.join(states) or 'none'}; {len(watch.complaints)} complaints")
    for complaint in watch.complaints[:20]:
        print(f"  {complaint}")
    good = not watch.complaints and p95 <= 2.0 and growth <= 0.05 and set(watch.clicks) == set(works)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
