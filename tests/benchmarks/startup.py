"""How long until something can be done: ``python -m tests.benchmarks.startup [--rounds 5]``.

Prints, as JSON, the time from ``streamlit run app.py`` to the first page in the browser (its heading painted, in a Chromium that
was open before), and the time ``python -m fer_core --help`` takes. The first round of each warms the machine up and is
left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser.app import chromium, serve
from tests.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FIRST_PAINT, HELP = 4.0, 0.7
"""Seconds that each may take in the median, on a machine that does nothing else."""


def first_paint(browser: Browser, home: Path) -> float:
    """Seconds from starting the server to the heading of the first page."""
    started = time.perf_counter()
    with serve(home) as server:
        page = browser.new_page()
        page.goto(server.url, wait_until="commit")
        page.get_by_role("heading", level=1).wait_for()
        seconds = time.perf_counter() - started
        page.close()
    return seconds


def help_text() -> float:
    """Seconds ``python -m fer_core --help`` takes, the interpreter's own start included."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fer_core", "--help"], cwd=PROJECT_ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(rounds: int) -> dict[str, list[float]]:
    """Both times, ``rounds`` of each after one that does not count."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        paints = [first_paint(browser, Path(folder) / str(number)) for number in range(rounds + 1)]
    return {"first paint": paints[1:], "--help": [help_text() for _ in range(rounds + 1)][1:]}


def main() -> int:
    """Print the figures; exit status 1 when a median is beyond its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    found = measure(parser.parse_args().rounds)
    record: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}
    for name, values in found.items():
        low, middle, high = (round(f(values), 2) for f in (min, statistics.median, max))
        record[name] = {"n": len(values), "median": middle, "shortest": low, "longest": high}
    print(json.dumps(record, indent=2))
    good = statistics.median(found["first paint"]) <= FIRST_PAINT and statistics.median(found["--help"]) <= HELP
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
