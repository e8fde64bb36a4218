from __future__ import annotations

import os
from pathlib import Path

import pytest

from fer_core.training import jobs

AUTOGROUP = Path("/proc/self/autogroup")


def waiting_child(workspace, monkeypatch) -> int:
    """The process id of a background process that would go on for a minute."""
    children = []
    popen = jobs.subprocess.Popen

    def start(command, **kwargs):
        children.append(popen([command[0], "-c", "import time; time.sleep(60)"], **kwargs))
        return children[-1]

    monkeypatch.setattr(jobs.subprocess, "Popen", start)
    workspace.root.mkdir(parents=True, exist_ok=True)
    jobs.spawn(["train"], workspace, workspace.root / "console.txt")
    return children[0].pid


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no priorities of its processes to read")
def test_a_background_process_yields_and_its_parent_stays_as_it_is(workspace, monkeypatch):
    before = os.getpriority(os.PRIO_PROCESS, 0)
    pid = waiting_child(workspace, monkeypatch)
    try:
        assert os.getpriority(os.PRIO_PROCESS, pid) == max(10, before)
        assert os.getpriority(os.PRIO_PROCESS, 0) == before
    finally:
        os.kill(pid, 9)


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system does not share the processor between sessions")
def test_its_session_yields_to_the_session_of_the_pages(workspace, monkeypatch):
    before = AUTOGROUP.read_text()
    pid = waiting_child(workspace, monkeypatch)
    try:
        assert "nice 10" in Path(f"/proc/{pid}/autogroup").read_text()
        assert AUTOGROUP.read_text() == before
    finally:
        os.kill(pid, 9)
