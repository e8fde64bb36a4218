"""A shared server at its bounds, in real windows: the second camera, the queue across a restart, recordings, downloads."""

from __future__ import annotations

import io
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import av
import pytest
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from fer_core.config import TrainConfig
from fer_core.resources import asset
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.queue import TrainingQueue
from fer_core.serve.settings import read_settings
from fer_core.serve.users import Users
from fer_core.workspace import Workspace
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, serve
from tests.browser.buttons import listen
from tests.browser.camera import camera_flags, player_clip
from tests.browser.conftest import PATIENCE, stop_trainings, wait_until
from tests.browser.provider import shared_server
from tests.browser.test_sign_in import cookie_of
from tests.browser.test_webcam import PLAYING, press, video_frame

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SETTINGS = "cameras = 1\ntrainings = 1\n"
"""The server is open, so that the bounds are tested without an identity provider; they are the same with one."""


@pytest.fixture(scope="module")
def chromium(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium with a camera."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which makes the fake camera's clip, is not installed")
    clip = player_clip(tmp_path_factory.mktemp("camera") / "player.y4m")
    other = browser.browser_type.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *camera_flags(clip)])
    yield other
    other.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "serve.toml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture
def visitor(chromium: Browser, pressed: set[str]) -> Callable[[], BrowserContext]:
    """Opens a browser of its own, and thus a user of its own."""

    def opened() -> BrowserContext:
        context = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
        context.set_default_timeout(PATIENCE)
        listen(context, pressed)
        return context

    return opened


def download_my_data(page: Page, stranger: Page, url: str) -> None:
    """Get the zip of one visitor, and see that no other gets it."""
    page.goto(f"{url}/account")
    page.get_by_role("button", name="Prepare the zip").click()
    link = page.get_by_role("link", name="Download (")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
    assert stranger.request.get(f"{url}/account/data.zip").status == 404
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}/account/data.zip")


def end(server: Server) -> None:
    """End the server as systemd does, and wait until its process is gone."""
    os.kill(server.pid, signal.SIGTERM)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)


def test_cameras_downloads_and_the_end_of_a_recording(visitor, home):
    with serve(home, FER_SHARED="open") as server:
        first, second = visitor(), visitor()
        page = first.new_page()
        page.goto(server.page("webcam"))
        frame = video_frame(page)
        press(frame, "START")
        frame.wait_for_function(f"() => {PLAYING}")
        other = second.new_page()
        other.goto(server.page("webcam"))
        other.get_by_text("The only camera slot of this server is taken").wait_for()
        assert other.locator("iframe[title*=webrtc]").count() == 0
        download_my_data(second.new_page(), page, server.url)
        first.close()  # as if the browser crashed
        frame = None
        while frame is None:
            other.get_by_role("button", name="Try again").click()
            try:
                other.locator("iframe[title*=webrtc]").wait_for(timeout=1500)
                frame = video_frame(other)
            except Exception:
                assert other.get_by_role("button", name="Try again").is_visible()
        press(frame, "START")
        frame.wait_for_function(f"() => {PLAYING}")
        (home / "serve.toml").write_text(SETTINGS + "idle_camera_minutes = 0.0001\n")  # shorter than between two frames
        other.get_by_text("The camera was closed because no face was in the picture").wait_for()
        (home / "serve.toml").write_text(SETTINGS)
        other.get_by_role("button", name="Use the camera again").click()
        frame = video_frame(other)
        press(frame, "START")
        frame.wait_for_function(f"() => {PLAYING}")
        other.get_by_role("button", name="Record").click()
        other.get_by_text("Recording to").wait_for()
        wait_until(lambda: any(path.stat().st_size > 20_000 for path in home.glob("users/*/recordings/*.mp4")))
        end(server)
        second.close()
        assert server.complaints() == []
    (path,) = home.glob("users/*/recordings/*.mp4")
    assert b"mfra" in path.read_bytes()[-2000:], "the index that is written at the end is missing"
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) > 5


def test_predictions_wait_and_an_account_is_deleted(visitor, home):
    (home / "serve.toml").write_text(SETTINGS + "predictions_per_minute = 1\n")
    with serve(home, FER_SHARED="open") as server:
        context = visitor()
        page = context.new_page()
        page.goto(server.page("upload"))
        page.get_by_text("Face 1: happy").first.wait_for()  # the sample, which is the first prediction
        page.locator("input[type=file]").set_input_files(str(asset("samples") / "two-portraits.jpg"))
        page.get_by_text("At most 1 prediction per minute is allowed").wait_for()
        (home / "serve.toml").write_text(SETTINGS)
        page.get_by_role("button", name="Go on with the others").click()
        page.get_by_text("2 faces").first.wait_for()
        page.get_by_role("button", name="Switch to compact").click()
        wait_until(lambda: any(home.glob("users/*/app.json")))
        (folder,) = home.glob("users/*")
        (folder / "recordings").mkdir()
        (folder / "recordings" / "mine.mp4").write_bytes(b"a film")
        page.goto(server.page("account"))
        page.get_by_text("Recordings, snapshots and annotated videos").wait_for()
        page.get_by_role("textbox", name="Type the word delete to confirm").fill("delete")
        page.get_by_role("button", name="Delete my account").click()
        page.get_by_text("Your account and all its files were deleted.").wait_for()
        assert [path.name for path in folder.rglob("*") if path.is_file()] in ([], ["app.json"])  # what is in use now
        context.close()
        assert server.complaints() == []


def test_an_operator_takes_a_training_out_of_the_queue(visitor, home):
    known = SimpleNamespace(url="https://id.example")  # nobody signs in anew
    users = Users(Workspace(home))
    with shared_server(
        home, known, SETTINGS + 'allow = ["@example.org"]\noperators = ["olga@example.org"]\n'
    ) as server:
        workspace = Workspace(home)
        queue, settings = TrainingQueue(workspace, AuditLog(workspace)), read_settings(workspace)
        with queue.slot(users.user(known.url, "anna"), settings):
            run = queue.submit(users.user(known.url, "bert"), TrainConfig(data="synthetic:140"), None, settings)
            context = visitor()
            cookie = cookie_of(server, known, "olga")
            context.add_cookies([{"name": USER_COOKIE_NAME, "value": cookie, "url": server.url}])
            page = context.new_page()
            page.goto(server.page("operators"))
            page.get_by_role("button", name="Take out of the queue").click()
            wait_until(lambda: run.state == "stopped")
            page.get_by_text("an experiment, or a search for suspect labels").wait_for()
            context.close()
        assert server.complaints() == []


def test_trainings_wait_outlive_a_restart_and_start_by_themselves(home):
    """No window is open: what pages call is called here, and the servers find it on disk."""
    workspace = Workspace(home)
    users = [Users(workspace).user("https://id.example", name) for name in ("anna", "bert")]
    queue, settings = TrainingQueue(workspace, AuditLog(workspace)), read_settings(workspace)
    config = TrainConfig(data="synthetic:140", model="seed", epochs=10_000, patience=0)
    try:
        with serve(home, FER_SHARED="open") as server:
            first, second = (queue.submit(user, config, None, settings) for user in users)
            wait_until(lambda: first.state == "running")
            end(server)
        assert first.state == "running"
        with serve(home, FER_SHARED="open"):
            time.sleep(5)  # two looks at the queue
            assert (first.state, second.state) == ("running", "queued")
            queue.cancel(users[0], first)
            wait_until(lambda: first.state == "stopped" and second.state == "running")
    finally:
        for user in users:
            queue.leave(user)
            stop_trainings(user.workspace)
    events = [entry.event for entry in reversed(AuditLog(workspace).last())]
    assert events == [
        "training queued", "training started", "training queued", "training stopped", "training ended",
        "training started",
    ]  # fmt: skip
