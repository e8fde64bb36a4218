"""The figures of the README's reliability section: ``python -m tests.proof [--kills 100] [--cases 10000]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from fer_core.workspace import PROJECT_ROOT


def main() -> int:
    """Run each attack in a process of its own and print what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often a training is killed")
    parser.add_argument("--cases", type=int, default=1000, help="how many mutated files are tried")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other mutations")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in (
            ("kills", [str(options.kills), str(Path(folder) / "kills")]),
            ("fuzz", [str(options.cases), str(Path(folder) / "fuzz"), str(options.seed)]),
        ):
            print(f"--- {name}", flush=True)
            command = [sys.executable, "-m", f"tests.proof.{name}", *arguments]
            failed += subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
