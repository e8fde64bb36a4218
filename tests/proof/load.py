"""Four browsers at once on one server: one trains, one stands before the camera, one evaluates, one uploads.

``python -m tests.proof.load [--seconds 300]`` prints how long clicks took, the server's memory after the first
minute and at the end, the share of the processor each side had, and whatever went wrong. Each browser works in a thread
of its own; the server and its training (nice 10, one thread) are processes of their own. The browser that evaluates uses
another model than the others, the one that uploads photographs of its own, and the one before the camera saves one
picture: none of it may show up at another.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fer_core.data.synthetic import draw_face
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, serve
from tests.browser.camera import camera_flags, faces_clip
from tests.browser.conftest import is_complaint, leaves, stop_trainings, words_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

FACES = "synthetic:2100"
Processes = dict[int, tuple[int, str, float]]
LONGEST_START = 240.0  # seconds a browser may take until its first click is answered
SLOWEST_CLICK = 2.0  # seconds, 95 of 100 clicks
MOST_GROWTH = 0.05  # of the server's memory after the first minute


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
        _settled(page)
        self.clicks.setdefault(who, []).append(time.perf_counter() - started)

    def model(self, page: Page, who: str, name: str) -> None:
        """The model this browser chose, and no other's, must be the one in use in it."""
        shown = page.get_by_role("combobox", name="Model in use").input_value()
        if not shown.startswith(name):
            self.complaints.append(f"{who}: the model in use is {shown!r} and not {name}")


def _settled(page: Page) -> None:
    page.wait_for_timeout(30)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)


def _browser(who: str, url: str, watch: Watch, work: Callable[[Page], None], flags: list[str]) -> None:
    """In a thread of its own: a Chromium that repeats ``work`` until told to stop."""
    from playwright.sync_api import sync_playwright

    shown = ""
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *flags])
            page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
            page.set_default_timeout(120_000)
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
                try:
                    work(page)
                except Exception:
                    shown = words_of(page)
                    raise
                if page.locator("[data-testid=stException]").count():
                    watch.complaints.append(f"{who}: a traceback on the page")
            browser.close()
    except Exception:
        watch.complaints.append(f"{who}: {traceback.format_exc(limit=2)}\nThe page showed: {shown}")


def _trainer(watch: Watch, home: Path) -> Callable[[Page], None]:
    started = False

    def work(page: Page) -> None:
        nonlocal started
        if not started:
            page.get_by_role("spinbutton", name="Epochs").fill("5000")
            page.keyboard.press("Tab")
            _settled(page)
            page.get_by_text("Machine and repeatability").first.click()
            page.get_by_role("spinbutton", name="Threads").fill("1")
            page.keyboard.press("Tab")
            _settled(page)
            watch.timed("train", page, page.get_by_role("button", name="Start training").click)
            page.locator(".stMarkdownBadge", has_text="Training").wait_for()
            started = True
        page.wait_for_timeout(2000)
        watch.timed("train", page, page.get_by_role("button", name="Reset to defaults").click)
        if len(list_runs(Workspace(home))) != 1:
            watch.complaints.append("train: another run than its own is there")
        watch.model(page, "train", "compact")

    return work


def _watcher(watch: Watch, home: Path) -> Callable[[Page], None]:
    playing = False

    def work(page: Page) -> None:
        nonlocal playing
        frame = page.locator("iframe[title*=webrtc]").element_handle().content_frame()
        if not playing:
            frame.get_by_role("button", name="START").click()
            frame.wait_for_function(
                "(() => { const v = document.querySelector('video'); return v && v.currentTime > 0; })()"
            )
            watch.timed("webcam", page, page.get_by_role("button", name="Snapshot").click)
            page.get_by_text("Saved as").wait_for()
            playing = True
        slider = page.get_by_role("slider", name="Smoothing (seconds)")
        slider.focus()
        key = "ArrowRight" if random.random() < 0.5 else "ArrowLeft"
        watch.timed("webcam", page, lambda: page.keyboard.press(key))
        page.wait_for_timeout(1500)
        if len(list((home / "recordings").iterdir())) != 1:
            watch.complaints.append("webcam: another recording than its own is there")
        watch.model(page, "webcam", "compact")

    return work


def _evaluator(watch: Watch) -> Callable[[Page], None]:
    chosen = False

    def work(page: Page) -> None:
        nonlocal chosen
        if not chosen:
            page.get_by_role("combobox", name="Model in use").click()
            page.get_by_role("option", name="seed", exact=True).click()
            page.wait_for_timeout(500)
            _settled(page)
            chosen = True
        for name in ("Hide the diagonal", "Sort by confusion"):
            watch.timed("evaluate", page, page.get_by_text(name, exact=True).click)
            page.wait_for_timeout(1500)
        watch.model(page, "evaluate", "seed")

    return work


def _uploader(watch: Watch, photos: list[Path]) -> Callable[[Page], None]:
    turn = 0

    def work(page: Page) -> None:
        nonlocal turn
        photo = photos[turn % len(photos)]
        turn += 1
        if turn > 1:  # one photograph at a time, or the page would hold more and more of them
            page.get_by_test_id("stFileChipDeleteBtn").get_by_role("button").first.click()
            page.wait_for_timeout(300)
            _settled(page)
        chooser = page.locator("[data-testid=stFileUploader] input[type=file]").first

        def bring() -> None:
            chooser.set_input_files(str(photo))
            page.get_by_text(re.compile(rf"^{photo.name} · ")).wait_for()

        watch.timed("upload", page, bring)
        page.wait_for_timeout(2500)
        if page.get_by_text(re.compile(r"^photo-\d.png · ")).count() != 1:
            watch.complaints.append("upload: another photograph than its own is there")
        watch.model(page, "upload", "compact")

    return work


def photos_of_faces(folder: Path, prefix: str = "photo") -> list[Path]:
    """Four photographs of one drawn face each, named ``PREFIX-0.png`` and so on."""
    rng = np.random.default_rng(1)
    paths = []
    for i, emotion in enumerate(("happy", "surprise", "neutral", "sad")):
        canvas = np.full((600, 800), 110, np.uint8)
        canvas[120:480, 220:580] = draw_face(emotion, rng, size=360)
        paths.append(folder / f"{prefix}-{i}.png")
        Image.fromarray(canvas).save(paths[-1])
    return paths


def processes() -> Processes:
    """Of this process and all it started: process id -> (parent, command line, processor seconds used)."""
    tick = os.sysconf("SC_CLK_TCK")
    found: Processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                text = (entry / "stat").read_text()
                fields = text[text.rindex(")") + 2 :].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(entry.name)] = (int(fields[1]), command, (int(fields[11]) + int(fields[12])) / tick)
    ours = {os.getpid()}
    while more := {pid for pid, (parent, _, _) in found.items() if parent in ours} - ours:
        ours |= more
    return {pid: process for pid, process in found.items() if pid in ours}


def memory_mb(server: Server) -> float:
    """Resident megabytes of the server's process."""
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def processor_seconds(before: Processes, after: Processes, word: str) -> float:
    """Processor seconds that the processes with a word in their command line used between two looks."""
    return sum(used - before.get(pid, (0, "", 0.0))[2] for pid, (_, command, used) in after.items() if word in command)


def measure(seconds: float) -> dict[str, Any]:
    """Four browsers at work for a while; what came of it."""
    watch, begun = Watch(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        write_json(home / "app.json", {"data": FACES, "model": "compact"})
        clip, photos = faces_clip(folder / "clip.y4m"), photos_of_faces(folder)
        with serve(home) as server:
            works = {
                "upload": (_uploader(watch, photos), []),
                "webcam": (_watcher(watch, home), camera_flags(clip)),
                "train": (_trainer(watch, home), []),
                # last: a window opened after it chose another model would begin with that one
                "evaluate": (_evaluator(watch), []),
            }
            threads = [
                threading.Thread(target=_browser, args=(who, server.page(who), watch, work, flags), name=who)
                for who, (work, flags) in works.items()
            ]
            for thread in threads:  # one after the other: the time counts from when all four are at work
                thread.start()
                waiting = time.monotonic() + LONGEST_START
                while thread.name not in watch.clicks and not watch.complaints and time.monotonic() < waiting:
                    time.sleep(0.2)
            watch.clicks.clear()  # the first ones load libraries, data and models
            began = time.monotonic()
            time.sleep(min(60.0, seconds / 2))
            early, before, from_here = memory_mb(server), processes(), time.monotonic()
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            late, after, length = memory_mb(server), processes(), time.monotonic() - from_here
            watch.stop.set()
            for thread in threads:
                thread.join(120)
            watch.complaints += [f"server: {line}" for line in server.complaints()]
            states = [run.state for run in list_runs(Workspace(home))]
            if states != ["running"]:
                watch.complaints.append(f"the training is {states} and not running")
            stop_trainings(Workspace(home))
    every = sorted(t for times in watch.clicks.values() for t in times)
    cores = os.cpu_count() or 1
    words = {"server": "streamlit run", "browsers": "chromium", "training": "fer_core train"}
    return {
        "seconds": round(seconds),
        "clicks": {
            who: {"n": len(times), "median": round(statistics.median(times), 2), "longest": round(max(times), 2)}
            for who, times in sorted(watch.clicks.items())
        },
        "clicks_p95": round(every[int(0.95 * (len(every) - 1))], 2) if every else None,
        "memory_mb_early": round(early),
        "memory_mb_late": round(late),
        "memory_growth": round(late / early - 1, 4),
        "processor_share": {
            who: round(processor_seconds(before, after, word) / length / cores, 3) for who, word in words.items()
        },
        "cores": cores,
        "load": round(os.getloadavg()[0], 1),
        "all_at_work": set(watch.clicks) == set(works),
        "started_after": round(began - begun, 1),
        "complaints": watch.complaints[:20],
    }


def good(found: dict[str, Any]) -> bool:
    """Whether nothing went wrong and the figures are within their bounds."""
    p95 = found["clicks_p95"]
    return (
        found["all_at_work"]
        and not found["complaints"]
        and p95 is not None
        and p95 <= SLOWEST_CLICK
        and found["memory_growth"] <= MOST_GROWTH
    )


def main() -> int:
    """Print the figures as JSON; exit status 0 when they are good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    found = measure(parser.parse_args().seconds)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0 if good(found) else 1


if __name__ == "__main__":
    sys.exit(main())
