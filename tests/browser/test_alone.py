"""No packet goes to another host while the webcam page runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.browser.alone import TUN
from tests.browser.app import CHROMIUM
from tests.paths import PROJECT_ROOT

pytestmark = pytest.mark.browser
SECONDS = 15


def missing() -> str | None:
    """Why a network of its own cannot be had here."""
    for program in ("unshare", "ip", "ffmpeg", str(CHROMIUM)):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not os.path.exists(TUN):
        return f"there is no {TUN}"
    made = subprocess.run(["unshare", "-n", "true"], capture_output=True, timeout=10, check=False)
    return None if made.returncode == 0 else "making a network namespace needs root"


def test_nothing_leaves_the_machine_while_the_camera_runs():
    reason = missing()
    if reason:
        pytest.skip(reason)
    command = ["unshare", "-n", sys.executable, "-m", "tests.browser.alone", "--seconds", str(SECONDS)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["knock_noticed"] == 1  # the tap sees what goes elsewhere
    calm = os.getloadavg()[0] <= 2 * (os.cpu_count() or 1)
    assert found["frames_shown"] >= (SECONDS if calm else 1)  # pictures went to and fro
    assert found["packets_to_other_hosts"] == {}
    assert found["page_asked_elsewhere"] == []
    assert found["log_errors"] == []
