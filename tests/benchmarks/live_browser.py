"""The webcam page in a real browser, measured: ``python -m tests.benchmarks.live_browser``.

Server and Chromium (headless, a clip as its camera, 640×480 at 30 frames/s) share this machine's cores. Printed are:

- connect: from the click on START to the first annotated frame on the screen (every frame that comes back is annotated);
- sent and shown: different frames per second that the camera gave, and that reached the screen;
- age: from the moment a frame left the camera to the moment it was shown. Each frame carries its number in black and
  white blocks; a copy of the camera's track says when a number came, ``requestVideoFrameCallback`` when it was shown,
  both by the browser's one clock. Camera exposure and the screen's own delay are not in it. Reading the blocks costs
  processor time, so it is done in two windows only: ten seconds after the start, and at the end;
- memory: the server's resident set and Chromium's (all its processes, shared pages counted once by share);
- cycles of start, stop, leave, return: errors in the log, and the server's threads before and after.

A short form: ``--connects 3 --seconds 40 --cycles 5``. A part is left out with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.workspace import write_json
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, serve
from tests.browser.camera import BITS, BLOCK, RATE, STRIPE, camera_flags, faces_clip

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

WARM = 10.0  # seconds after the start at which the first window begins
PROBE = """
(() => {
  const BITS = %(bits)d, BLOCK = %(block)d, STRIPE = %(stripe)d;
  const probe = globalThis.probe = {clicked: 0, first: 0, width: 0, came: new Map(), sent: [], shown: [],
    measuring: false};
  document.addEventListener("click", (e) => {
    if (/start/i.test(e.target.textContent)) { probe.clicked = performance.now(); probe.first = 0; }
  }, true);

  // The number in a row of brightnesses, one for each block; null when it is none of ours.
  function number(bright) {
    const bits = bright.map((v) => v > 128 ? 1 : 0);
    if (bits[0] === 0 && bits[BITS + 1] === 1) bits.reverse();
    if (bits[0] !== 1 || bits[BITS + 1] !== 0) return null;
    return bits.slice(1, BITS + 1).reduce((n, b) => 2 * n + b, 0);
  }
  const places = [...Array(BITS + 2).keys()].map((i) => Math.round((i + 0.5) * BLOCK));

  const plain = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await plain(constraints);
    const track = stream.getVideoTracks()[0];
    if (track) watch(track.clone());
    return stream;
  };
  async function watch(track) {
    const reader = new MediaStreamTrackProcessor({track, maxBufferSize: 2}).readable.getReader();
    for (;;) {
      const {done, value: frame} = await reader.read();
      if (done) return;
      if (probe.measuring) {
        const now = performance.now();
        const rect = {x: 0, y: STRIPE / 2 - 2, width: frame.codedWidth, height: 2};
        const data = new Uint8Array(frame.allocationSize({rect}));
        await frame.copyTo(data, {rect});
        const n = number(places.map((x) => data[x]));
        if (n !== null) {
          probe.sent.push(now);
          probe.came.delete(n);  // so that the newest stands last
          probe.came.set(n, now);
          // The clip begins again after ten seconds: an older arrival of the same number is another frame's.
          if (probe.came.size > 150) probe.came.delete(probe.came.keys().next().value);
        }
      }
      frame.close();
    }
  }

  const canvas = new OffscreenCanvas(BLOCK * (BITS + 2), 1);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  let last = null;
  globalThis.follow = (video) => {
    if (video.followed) return;
    video.followed = true;
    const shown = (now) => {
      if (!probe.first) probe.first = now;
      probe.width = video.videoWidth;
      if (probe.measuring) {
        const row = Math.floor(STRIPE / 2 * video.videoWidth / canvas.width);  // Chromium may send a smaller picture
        context.drawImage(video, 0, row, video.videoWidth, 1, 0, 0, canvas.width, 1);
        const data = context.getImageData(0, 0, canvas.width, 1).data;
        const n = number(places.map((x) => data[4 * x]));
        if (n !== null && n !== last && probe.came.has(n)) probe.shown.push([now, now - probe.came.get(n)]);
        last = n;
      }
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  };
  new MutationObserver(() => document.querySelectorAll("video").forEach(follow))
    .observe(document, {childList: true, subtree: true});
})();
"""


def probe_script() -> str:
    """JavaScript that times frames, for the frame the video library lives in."""
    return PROBE % {"bits": BITS, "block": BLOCK, "stripe": STRIPE}


def new_page(browser: Browser) -> Page:
    """A new window."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(120_000)
    return context.new_page()


def video_frame(page: Page) -> Frame:
    """The frame the video library lives in, ready to start."""
    handle = page.locator("iframe[title*=webrtc]")
    handle.wait_for()
    frame = handle.element_handle().content_frame()
    assert frame is not None
    frame.get_by_role("button", name="START").wait_for()
    frame.evaluate(probe_script())
    return frame


def open_page(page: Page, server: Server) -> Frame:
    """The webcam page, quiet and ready to start."""
    page.goto(server.page("webcam"))
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    frame = video_frame(page)
    page.get_by_text("The browser can use the camera").wait_for()
    page.wait_for_timeout(1500)
    return frame


def start(frame: Frame) -> float:
    """Press START; seconds from the click to the first frame shown."""
    frame.get_by_role("button", name="START").click()
    frame.wait_for_function("probe.first > probe.clicked && probe.clicked > 0", polling=50)
    return float(frame.evaluate("(probe.first - probe.clicked) / 1000"))


def stop(frame: Frame) -> None:
    """Press STOP and wait until it has stopped."""
    frame.get_by_role("button", name="STOP").click()
    frame.get_by_role("button", name="START").wait_for()


def connects(browser: Browser, server: Server, rounds: int) -> list[float]:
    """Seconds of several connections, each in a new window."""
    found = []
    for _ in range(rounds):
        page = new_page(browser)
        frame = open_page(page, server)
        found.append(start(frame))
        stop(frame)
        page.context.close()
    return found


def window(frame: Frame, seconds: float) -> dict[str, Any]:
    """Sent and shown frames per second and their ages over some seconds."""
    frame.evaluate("probe.came.clear(); probe.sent = []; probe.shown = []; probe.measuring = true; 0")
    frame.page.wait_for_timeout(1000 * seconds)
    found = frame.evaluate("(probe.measuring = false, {sent: probe.sent, shown: probe.shown})")
    ages = np.array([age for _, age in found["shown"]])
    if not len(ages):
        raise RuntimeError("no frame was shown")
    p50, p95, most = np.percentile(ages, [50, 95, 100])
    return {
        "sent": round(len(found["sent"]) / seconds, 1),
        "shown": round(len(ages) / seconds, 1),
        "width": frame.evaluate("probe.width"),
        "age_ms": {"median": round(float(p50)), "p95": round(float(p95)), "max": round(float(most)), "n": len(ages)},
    }


def megabytes(pid: int, name: str = "Rss") -> float:
    """Resident memory of a process, or its proportional share (``Pss``)."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"^{name}:\s+(\d+)", text, re.M)
    return int(found.group(1)) / 1024 if found else 0.0


def chromium_megabytes() -> float:
    """Memory of the Chromium processes this program started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    total, waiting = 0.0, [os.getpid()]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if b"chromium" in command:
                total += megabytes(child, "Pss")
    return total


def stretch(browser: Browser, server: Server, seconds: float, width: float) -> dict[str, Any]:
    """One connection over a long time."""
    page = new_page(browser)
    frame = open_page(page, server)
    start(frame)
    began = time.monotonic()
    page.wait_for_timeout(1000 * WARM)
    found: dict[str, Any] = {"seconds": seconds, "after_10_s": window(frame, width)}
    memory = []
    while time.monotonic() - began < seconds - width:
        memory.append((time.monotonic() - began, megabytes(server.pid), chromium_megabytes()))
        page.wait_for_timeout(1000 * max(0.1, min(10.0, seconds - width - (time.monotonic() - began))))
    found["at_the_end"] = window(frame, width)
    memory.append((time.monotonic() - began, megabytes(server.pid), chromium_megabytes()))
    found["memory_mb"] = {
        name: {"first": round(memory[0][i]), "last": round(memory[-1][i]), "most": round(max(m[i] for m in memory))}
        for i, name in ((1, "server"), (2, "chromium"))
    }
    found["memory_seconds"] = [round(memory[0][0]), round(memory[-1][0])]
    found["page_says"] = page.get_by_test_id("stMetricValue").all_inner_texts()
    stop(frame)
    page.context.close()
    return found


def cycles(browser: Browser, server: Server, rounds: int) -> dict[str, Any]:
    """Start, stop, leave and return, again and again in one window; every third time it is left while it runs."""
    menu = "stSidebarUserContent"
    page = new_page(browser)
    frame = open_page(page, server)
    before, counts = 0, []
    for step in range(rounds + 2):
        start(frame)
        if step % 3 != 2:
            stop(frame)
        page.get_by_test_id(menu).get_by_role("link", name="Data", exact=True).click()
        page.get_by_role("heading", level=1, name="Data").wait_for()
        if step == 1:  # by then every pool has its threads
            page.wait_for_timeout(4000)
            before = server.threads()
        page.get_by_test_id(menu).get_by_role("link", name="Webcam", exact=True).click()
        page.get_by_role("heading", level=1, name="Webcam").wait_for()
        frame = video_frame(page)
        counts.append(server.threads())
    page.get_by_test_id(menu).get_by_role("link", name="Data", exact=True).click()
    page.get_by_role("heading", level=1, name="Data").wait_for()
    page.wait_for_timeout(4000)
    after = server.threads()
    page.context.close()
    return {"rounds": rounds, "threads_before": before, "threads_after": after, "threads_most": max(counts)}


def main() -> None:
    """Measure and print one JSON document."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connects", type=int, default=10, help="connections to time")
    parser.add_argument("--seconds", type=float, default=600, help="length of the long stretch")
    parser.add_argument("--window", type=float, default=20, help="seconds over which rate and age are taken")
    parser.add_argument("--cycles", type=int, default=50, help="rounds of start, stop, leave, return")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends with this program
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = faces_clip(Path(folder) / "clip.y4m", seconds=10)
        home = Path(folder) / "home"
        write_json(home / "app.json", {"data": "synthetic:490"})
        with serve(home) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *camera_flags(clip)]
            )
            if chosen.connects:
                times = connects(browser, server, chosen.connects)
                found["connect_s"] = {
                    "median": round(statistics.median(times), 2),
                    "all": [round(t, 2) for t in times],
                }
                print(json.dumps(found["connect_s"]), flush=True)
            if chosen.seconds:
                found["stretch"] = stretch(browser, server, chosen.seconds, chosen.window)
                print(json.dumps(found["stretch"]), flush=True)
            if chosen.cycles:
                found["cycles"] = cycles(browser, server, chosen.cycles)
            browser.close()
            found["log_complaints"] = server.complaints()
    found["camera"] = f"640x480, {RATE} frames/s"
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
