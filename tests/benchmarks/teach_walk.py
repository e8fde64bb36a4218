"""The walk from an empty workspace to three own classes live, timed: ``python -m tests.benchmarks.teach_walk``.

The browser, its played camera and the app share this machine. Nine takes of seven seconds alone last 63 seconds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from fer_core.teach import load_taught
from fer_core.workspace import Workspace
from tests.browser.app import serve
from tests.browser.camera import wound_camera
from tests.browser.teach_walk import walk


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = Workspace(Path(folder) / "workspace")
        with serve(workspace.root) as server, wound_camera(playwright.chromium) as context:
            page = context.new_page()
            began = time.perf_counter()
            walk(page, server.page("teach"))
            seconds = time.perf_counter() - began
        taught = load_taught("my faces", workspace)
        assert taught is not None
        print(
            f"{seconds:.0f} s from the empty page to three classes followed live; {taught.takes} takes, {taught.faces} faces, "
            f"last training {taught.seconds:.1f} s and its figures {taught.seconds_figures:.1f} s"
        )


if __name__ == "__main__":
    main()
