"""The figures of the reliability page (docs/reliability.md): ``python -m tests.proof`` prints them as one JSON document.

The parts, each in a process of its own; ``--parts`` names those to do, all but ``load`` and ``browser`` without it:

    kills     a training killed at random moments and resumed (``--kills 100``)
    fuzz      mutated files of every kind (``--cases 10000 --seed 2``)
    faults    full disk, read-only workspace, clock jumps, deleted data, half-written files
    hostile   bombs, hostile names, what sources may not do
    startup   seconds to the first page, and of ``python -m fer_core --help``
    load      four browsers at once (``--seconds 300``)
    browser   a newcomer on every page, and hostile names, in a real browser
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.paths import PROJECT_ROOT

BROWSER_TESTS = ["newcomer", "hostile"]


def commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The command of each part."""
    tests = ["pytest", "-q", "--slow", "-p", "no:cacheprovider"]
    return {
        "kills": ["tests.proof.kills", str(options.kills), str(folder / "kills")],
        "fuzz": ["tests.proof.fuzz", str(options.cases), str(folder / "fuzz"), str(options.seed)],
        "faults": [*tests, "tests/proof/test_faults.py"],
        "hostile": [*tests, "tests/proof/test_hostile.py"],
        "startup": ["tests.benchmarks.startup"],
        "load": ["tests.proof.load", "--seconds", str(options.seconds)],
        "browser": [*tests, *(f"tests/browser/test_{name}.py" for name in BROWSER_TESTS)],
    }


def figures(said: str) -> dict[str, Any]:
    """What a part printed: its JSON document, else how many tests passed, failed and were skipped, else its words."""
    start = re.search(r"^\{", said, re.MULTILINE)
    if start:
        found: dict[str, Any] = json.loads(said[start.start() :])
        return found
    counted = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error|skipped)", said)}
    return counted or {"said": said.strip()[-2000:]}


def main() -> int:
    """Do the parts and print what came of them; exit status 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="kills,fuzz,faults,hostile,startup", help="separated by commas")
    parser.add_argument("--kills", type=int, default=20, help="how often a training is killed")
    parser.add_argument("--cases", type=int, default=1000, help="how many mutated files are tried")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other mutations")
    parser.add_argument("--seconds", type=float, default=300, help="how long four browsers work")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        known = commands(options, Path(folder))
        for part in options.parts.split(","):
            if part not in known:
                parser.error(f"there is no part {part!r}; the parts are {', '.join(known)}")
            print(f"{part}…", file=sys.stderr, flush=True)
            started = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", *known[part]],
                cwd=PROJECT_ROOT,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            found[part] = {
                "passed": done.returncode == 0,
                "took_seconds": round(time.monotonic() - started),
                "figures": figures(done.stdout),
            }
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0 if all(part["passed"] for part in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
