"""The webcam page with a real WebRTC connection, fed by a fake camera."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fer_core.inference import Classifier
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server
from tests.browser.buttons import listen
from tests.browser.camera import camera_flags, faces_clip, player_clip, portrait_clip, still_clip
from tests.browser.conftest import is_complaint, leaves, settled, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder for the fake camera's clips."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which makes the fake camera's clip, is not installed")
    return tmp_path_factory.mktemp("camera")


@pytest.fixture
def camera_page(browser: Browser, clips, pressed) -> Iterator[Page]:
    """A tab with a camera that shows two faces, and now and then none."""
    with tab_with_camera(browser, faces_clip(clips / "faces.y4m"), pressed) as page:
        yield page


@pytest.fixture
def player_page(browser: Browser, clips, pressed) -> Iterator[Page]:
    """A tab with a camera that shows one face, which makes one expression after the other."""
    with tab_with_camera(browser, player_clip(clips / "player.y4m"), pressed) as page:
        yield page


@pytest.fixture
def still_page(browser: Browser, clips, pressed) -> Iterator[Page]:
    """A tab with a camera that shows one face, afraid for ever."""
    with tab_with_camera(browser, still_clip(clips / "still.y4m", "fear"), pressed) as page:
        yield page


@pytest.fixture
def portrait_page(browser: Browser, clips, pressed) -> Iterator[Page]:
    """A tab with the camera of a phone held upright, 480×640."""
    with tab_with_camera(browser, portrait_clip(clips / "portrait.y4m"), pressed) as page:
        yield page


@contextmanager
def tab_with_camera(browser: Browser, clip, pressed: set[str]) -> Iterator[Page]:
    """A tab of a second Chromium, one that has a camera."""
    other = browser.browser_type.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *camera_flags(clip)])
    context = other.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(60_000)
    listen(context, pressed)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.on("request", lambda r: complaints.append(f"left this machine: {r.url}") if leaves(r.url) else None)
    try:
        yield page
    finally:
        other.close()
    assert not complaints, "\n".join(complaints)


def video_frame(page: Page):
    """The frame the video library lives in."""
    handle = page.locator("iframe[title*=webrtc]")
    handle.wait_for()
    frame = handle.element_handle().content_frame()
    frame.get_by_role("button", name="START").wait_for()
    return frame


PATIENCE = 180_000  # milliseconds, for what takes some seconds of pictures: on a busy machine those begin anew

PLAYING = "() => { const v = document.querySelector('video'); return v && v.videoWidth > 0 && v.currentTime > 0; }"

VALUE = "slider => slider.value ?? slider.getAttribute('aria-valuenow')"


def shown_rate(page: Page) -> float:
    return float(page.get_by_text(re.compile(r"^\d+ frames/s$")).inner_text().split()[0])


def wanted_rate() -> float:
    """Frames per second that must be shown: more than ten, unless other programs hold the processor."""
    return 10 if os.getloadavg()[0] <= 2 * (os.cpu_count() or 1) else 2


def press(frame, name: str) -> None:
    """START or STOP, and what the button becomes."""
    frame.get_by_role("button", name=name).click()
    frame.get_by_role("button", name="STOP" if name == "START" else "START").wait_for()


def watch(page: Page, server: Server):
    """Open the webcam page and start the camera; gives the frame the video is in."""
    page.goto(server.page("webcam"))
    page.get_by_text("The browser can use the camera").wait_for()
    frame = video_frame(page)
    press(frame, "START")
    frame.wait_for_function(PLAYING)
    return frame


def open_settings(page: Page) -> None:
    """Unfold the settings under the video."""
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("slider", name="Not sure below").wait_for()


def choose_model(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Model in use").click()
    page.get_by_role("option", name=name, exact=True).click()


def open_from_menu(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarUserContent").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", level=1, name=name).wait_for()


def test_the_camera_is_started_watched_left_and_started_again(server, camera_page):
    page = camera_page
    frame = watch(page, server)

    # labeled faces, and a rate
    page.get_by_text("2 faces", exact=True).wait_for()
    page.get_by_role("heading", name=re.compile(r"^Face \d+: (happy|surprise), \d+%")).first.wait_for()
    wait_until(lambda: shown_rate(page) > wanted_rate(), seconds=90)

    # a setting changes without reconnecting
    open_settings(page)
    slider = page.get_by_role("slider", name="Smoothing (seconds)")
    before = slider.evaluate(VALUE)
    slider.focus()
    page.keyboard.press("ArrowRight")
    wait_until(lambda: slider.evaluate(VALUE) != before)
    assert frame.evaluate(PLAYING)

    # so does the model
    threshold = page.get_by_role("slider", name="Not sure below")
    thresholds = {name: Classifier.load(name).info.abstain_below for name in ("seed", "compact")}
    for name in ("seed", "compact"):
        choose_model(page, name)
        open_settings(page)
        wait_until(lambda name=name: float(threshold.evaluate(VALUE)) == pytest.approx(thresholds[name]))
        settled(page)
        page.get_by_role("heading", name=re.compile(r"^Face \d+: ")).first.wait_for()
    assert thresholds["seed"] != thresholds["compact"]
    assert not frame.is_detached()
    assert frame.evaluate(PLAYING)

    recordings = server.home / "recordings"
    before = set(recordings.iterdir()) if recordings.is_dir() else set()
    page.get_by_role("button", name="Snapshot").click()
    page.get_by_text("Saved as").wait_for()
    assert [p.suffix for p in set(recordings.iterdir()) - before] == [".png"]
    page.get_by_role("button", name="Record", exact=True).click()
    wait_until(lambda: any(p.suffix == ".csv" and p.stat().st_size > 200 for p in set(recordings.iterdir()) - before))
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_text("Recorded ").wait_for()

    # the very frame that was there first is there still: nothing was mounted anew on the way
    assert not frame.is_detached()
    press(frame, "STOP")

    open_from_menu(page, "Data")
    open_from_menu(page, "Webcam")
    frame = video_frame(page)
    press(frame, "START")
    frame.wait_for_function(PLAYING)
    open_from_menu(page, "Data")  # without STOP
    open_from_menu(page, "Webcam")
    frame = video_frame(page)
    press(frame, "START")
    press(frame, "STOP")  # before the first picture, as far as the machine allows
    settled(page)
    press(frame, "START")
    frame.wait_for_function(PLAYING)
    page.get_by_role("button", name="Send this face to Upload").first.click()
    page.get_by_role("heading", level=1, name="Upload").wait_for()
    page.get_by_role("img", name=re.compile("^Grad-CAM for")).wait_for()
    settled(page)
    assert not server.complaints()


def test_the_label_of_a_played_clip_changes_with_the_sensitivity_while_the_video_plays_on(server, still_page):
    page = still_page
    frame = watch(page, server)
    choose_model(page, "compact-people")
    slider = page.get_by_role("slider", name="Sensitivity")
    threshold = page.get_by_role("slider", name="Not sure below")
    own = Classifier.load("compact-people")
    wait_until(lambda: float(slider.evaluate(VALUE)) == pytest.approx(own.sensitivity))
    for key, value, label in (("Home", 0, "surprise"), ("End", 1, "fear"), ("Home", 0, "surprise")):
        slider.focus()
        page.keyboard.press(key)
        page.get_by_role("heading", name=re.compile(rf"^Face \d+: {label}, \d+%")).wait_for()
        # the threshold goes with it
        open_settings(page)
        expected = own.with_sensitivity(value).abstain_below
        wait_until(lambda expected=expected: float(threshold.evaluate(VALUE)) == pytest.approx(expected, abs=0.006))
        page.keyboard.press("Escape")
    assert not frame.is_detached()
    assert frame.evaluate(PLAYING)

    # a resting face was taken at one sensitivity: another ends that
    page.get_by_role("button", name="Neutral baseline").click()
    page.get_by_role("button", name="Reset").wait_for(timeout=PATIENCE)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("The sensitivity changed, so the neutral baseline was removed. Record it again.").wait_for()

    # remembered for all pages
    settled(page)
    moved = float(slider.evaluate(VALUE))
    assert 0 < moved < 1
    open_from_menu(page, "Data")
    open_from_menu(page, "Webcam")
    wait_until(lambda: float(slider.evaluate(VALUE)) == pytest.approx(moved))
    assert json.loads((server.home / "app.json").read_bytes())["sensitivity"] == pytest.approx(moved)
    slider.focus()
    page.keyboard.press("Home")
    choose_model(page, "compact")
    settled(page)
    assert not server.complaints()


def files_under(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_portrait_camera_keeps_its_shape(server, portrait_page):
    frame = watch(portrait_page, server)
    portrait_page.get_by_text("1 face", exact=True).wait_for()
    shown = frame.evaluate(
        """() => {
            const video = document.querySelector('video'), canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            const context = canvas.getContext('2d', {willReadFrequently: true});
            context.drawImage(video, 0, 0);
            const gray = (x, y) => context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data[1];
            return [canvas.width, canvas.height, gray(.04, .03), gray(.96, .03), gray(.04, .97), gray(.96, .97)];
        }"""
    )
    assert shown[1] / shown[0] == pytest.approx(640 / 480, rel=0.01)
    assert min(shown[2:]) > 180  # all four corners arrive


def test_a_resting_face_is_calibrated_and_a_round_of_the_expression_mirror_is_played(server, player_page):
    page = player_page
    frame = watch(page, server)
    page.get_by_text("1 face", exact=True).wait_for()

    page.get_by_role("button", name="Neutral baseline").click()
    page.get_by_role("button", name="Reset").wait_for(timeout=PATIENCE)
    page.get_by_text(re.compile("Your resting face scored|already classified as neutral")).wait_for()
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Reset").wait_for(state="detached")

    before = files_under(server.home)
    page.get_by_role("radio", name="Faces").focus()
    page.keyboard.press("ArrowRight")  # to the expression mirror, by keyboard
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play").click()
    page.get_by_text("Round 1 of 6").wait_for()
    page.get_by_role("meter").wait_for()
    page.get_by_text("Round 2 of 6").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Skip").click()
    page.get_by_text("Round 3 of 6").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("You stopped the game. 2 of 6 rounds were finished").wait_for()
    page.get_by_role("heading", name=re.compile(r"^\d+ of 200$")).wait_for()
    assert files_under(server.home) == before  # the pictures are in memory only
    with page.expect_download() as download:
        page.get_by_role("button", name="Download photo strip (PNG)").click()
    assert re.fullmatch(r"expression mirror [-\d]+ [.\d]+, \d+ of 200\.png", download.value.suggested_filename)
    with Image.open(download.value.path()) as strip:
        assert strip.format == "PNG"
        assert np.asarray(strip).std() > 20  # a face, not an empty sheet
    page.get_by_role("button", name="Discard photos").click()
    page.get_by_text("Make the requested face.").wait_for()

    # the video played on through all of it
    assert not frame.is_detached()
    assert frame.evaluate(PLAYING)
    press(frame, "STOP")
    settled(page)
    assert not server.complaints()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "allow the camera"),
        ("NotFoundError", "finds no camera"),
        ("NotReadableError", "Another program"),
    ],
)
def test_the_page_says_in_plain_words_why_a_camera_does_not_work(server, page, name, words):
    page.add_init_script(
        f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('stubbed', '{name}'));"
    )
    page.goto(server.page("webcam"))
    settled(page)
    video_frame(page)  # it makes room for itself, and what stands below moves
    page.get_by_role("button", name="Check the camera").click()
    page.get_by_text(words).first.wait_for()
    page.get_by_role("link", name="Take a snapshot").wait_for()
    page.get_by_role("link", name="Use a video file").click()
    page.get_by_role("heading", level=1, name="Upload").wait_for()
    page.get_by_text("Tracks every face and classifies it in each frame").wait_for()
