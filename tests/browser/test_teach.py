"""The Teach page in a real browser, with a camera whose clip follows the steps of a person who records takes."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fer_core.inference import Classifier
from fer_core.teach import TakeStore, load_taught
from fer_core.workspace import Workspace
from tests.browser.app import Server, serve
from tests.browser.buttons import listen
from tests.browser.camera import taught_frames, wound_camera
from tests.browser.conftest import is_complaint, leaves, settled, wait_until
from tests.browser.teach_walk import CLASSES, READY, TAKES, record, show, start_camera, walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def fresh(browser: Browser, tmp_path) -> Iterator[Server]:
    """The app on an empty workspace."""
    with serve(tmp_path / "workspace") as running:
        yield running
        assert not running.complaints()


@pytest.fixture
def teach_page(browser: Browser, fresh, pressed) -> Iterator[Page]:
    """A tab whose camera shows what a test winds it to; closed before the app ends."""
    with tab_with_wound_camera(browser, pressed) as page:
        yield page


@contextmanager
def tab_with_wound_camera(browser: Browser, pressed: set[str]) -> Iterator[Page]:
    """A tab of a second Chromium, one that may connect to its own machine."""
    complaints: list[str] = []
    with wound_camera(browser.browser_type) as context:
        listen(context, pressed)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("request", lambda r: complaints.append(f"left this machine: {r.url}") if leaves(r.url) else None)
        yield page
    assert not complaints, "\n".join(complaints)


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def test_from_an_empty_workspace_to_three_own_classes_live(fresh, teach_page):
    page, workspace = teach_page, Workspace(fresh.home)
    walk(page, fresh.page("teach"))
    taught = load_taught("my faces", workspace)
    assert taught is not None
    assert taught.classes == tuple(CLASSES)
    assert [(count.name, count.takes) for count in taught.per_class] == [(name, TAKES) for name in CLASSES]
    assert page.get_by_role("radio", name="Live").is_checked()
    page.get_by_text("Takes it has not seen", exact=True).wait_for()
    page.get_by_text(f"interval over {taught.takes} takes").wait_for()
    button(page, "Snapshot").click()
    page.get_by_text("Saved as").wait_for()
    own = Classifier.load("my faces", workspace=workspace)
    for name in CLASSES:
        faces = TakeStore(workspace, "my faces").faces(taught_take(workspace, name))
        assert (own.probabilities(faces).argmax(axis=1) == own.classes.index(name)).mean() > 0.9


def taught_take(workspace: Workspace, name: str) -> str:
    """Id of the newest take of a class."""
    return TakeStore(workspace, "my faces").takes(name)[-1].id


def test_takes_are_corrected_added_from_files_exported_used_and_deleted(fresh, teach_page, tmp_path):
    page, workspace = teach_page, Workspace(fresh.home)
    page.goto(fresh.page("teach"))
    page.get_by_role("heading", level=1, name="Teach").wait_for()
    settled(page)
    button(page, "Add a class").click()
    button(page, "Record class 1").wait_for()
    page.locator(".st-key-teach-remove-class-1").get_by_role("button").click()
    button(page, "Record class 1").wait_for(state="detached")
    page.get_by_role("textbox", name="Name of class 1").fill("Neutral")
    page.keyboard.press("Enter")
    page.get_by_text("Give each class its own name").wait_for()

    # what the camera shows is said at once, and nothing is kept yet
    frame = start_camera(page)
    show(frame, "happy", 0, faces=2)
    page.get_by_text("Several faces are visible").wait_for()
    show(frame, "happy", 0, faces=0)
    page.get_by_text("No face is visible").wait_for()
    assert not workspace.takes.exists()

    # a disk that does not take it, and then does
    workspace.takes.write_bytes(b"")
    record(page, frame, "smile", 0)
    page.get_by_text("is not saved yet; it is in memory only").wait_for()
    workspace.takes.unlink()
    button(page, "Save the take again").click()
    take = page.locator("[class*=st-key-teach-open-]").get_by_role("button")
    take.wait_for()

    # a camera that stops in the middle of a take leaves a shorter one
    stop_in_a_take(page, frame)
    page.get_by_text("The camera stopped after").wait_for()
    wait_until(lambda: take.count() == 2)
    frame.get_by_role("button", name="START").click()

    # one that cannot be saved is discarded
    lock = workspace.takes / ".my faces.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    stop_in_a_take(page, frame)
    button(page, "Discard it").click()
    page.get_by_text("is not saved yet; it is in memory only").wait_for(state="detached")
    lock.rmdir()
    assert take.count() == 2
    frame.get_by_role("button", name="START").click()
    page.get_by_text(READY).wait_for()
    button(page, "Record smile").click()
    button(page, "Cancel the take").click()
    page.get_by_text(READY).wait_for()
    frame.get_by_role("button", name="STOP").click()
    page.get_by_text("Press START under the picture").wait_for()

    # a face, a take, and undo
    kept = faces_of(take)
    take.last.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox").first.click()
    settled(page)
    button(page, "Delete selected faces").click()
    dialog.wait_for(state="detached")
    wait_until(lambda: faces_of(take) == [kept[0], kept[1] - 1])
    take.last.click()
    button(page, "Delete this take").click()
    wait_until(lambda: faces_of(take) == kept[:1])
    button(page, "Undo").click()
    wait_until(lambda: faces_of(take) == [kept[0], kept[1] - 1])

    # from files
    page.get_by_text("Add takes from files").click()
    photos = [{"name": f"{i}.jpg", "mimeType": "image/jpeg", "buffer": jpeg} for i, jpeg in enumerate(jpegs(1))]
    page.locator(".st-key-teach-files input[type=file]").set_input_files(photos)
    button(page, "Add these files").click()
    page.get_by_text(f"smile: {len(photos)} faces from {len(photos)} photos").wait_for()
    folder = takes_folder(tmp_path / "takes of mine")
    page.get_by_role("textbox", name="Or a folder on this machine").fill(str(folder))
    page.keyboard.press("Enter")
    button(page, "Add this folder").click()
    page.get_by_text("Takes it has not seen", exact=True).wait_for()  # every class has a take now

    # out and in again
    page.get_by_text("Export, import, delete").click()
    with page.expect_download() as download:
        button(page, "Export takes (ZIP)").click()
    assert download.value.suggested_filename == "my faces.zip"
    content = download.value.path().read_bytes()
    assert "takes.json" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    chosen = {"name": "my faces.zip", "mimeType": "application/zip", "buffer": content}
    page.locator(".st-key-teach-import-file input[type=file]").set_input_files([chosen])
    button(page, "Import the takes").click()
    page.get_by_text("Imported").wait_for()
    wait_until((workspace.takes / "my faces 2" / "takes.json").is_file)

    # used on another page
    page.get_by_role("main").get_by_role("link", name="Upload").click()
    page.get_by_role("heading", level=1, name="Upload").wait_for()
    settled(page)
    wait_until(lambda: str(json.loads(workspace.app_state.read_bytes())["model"]).startswith("my faces"))
    page.get_by_test_id("stSidebarUserContent").get_by_role("link", name="Teach", exact=True).click()
    page.get_by_role("heading", level=1, name="Teach").wait_for()

    # and deleted
    page.get_by_text("Export, import, delete").click()
    button(page, "Delete everything about me").click()
    button(page, "Keep it").click()
    page.get_by_role("dialog").wait_for(state="detached")
    assert workspace.takes.exists()
    button(page, "Delete everything about me").click()
    button(page, "Delete it all").click()
    page.get_by_text(re.compile(r"^Deleted \d+ faces in \d+ takes")).wait_for()
    assert not workspace.takes.exists()
    assert not workspace.taught.exists()
    settled(page)


def stop_in_a_take(page: Page, frame: Frame) -> None:
    """Record a take, and stop the camera in the middle of it."""
    page.get_by_text(READY).wait_for()
    button(page, "Record smile").click()
    page.get_by_text("faces kept").wait_for()
    wait_until(lambda: page.locator(".fer-take .faces img").count() > 5)
    frame.get_by_role("button", name="STOP").click()


def faces_of(take) -> list[int]:
    """Numbers of faces of the takes shown."""
    return [int(text.split()[0]) for text in take.all_inner_texts() if text.strip()]


def jpegs(take: int, emotion: str = "happy", count: int = 4) -> list[bytes]:
    return [base64.b64decode(frame) for frame in taught_frames(emotion, take, count=count)]


def takes_folder(root: Path) -> Path:
    """Two takes each of two classes, as photos."""
    for name in ("surprise", "neutral"):
        for take in (0, 1):
            folder = root / name / f"take {take}"
            folder.mkdir(parents=True)
            for number, content in enumerate(jpegs(take, CLASSES[name])):
                (folder / f"{number}.jpg").write_bytes(content)
    return root
