"""Neutral baseline and the expression mirror on the webcam page, with frames given to the session by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fer_core.classes import ClassList
from fer_core.live import Game
from fer_core.live.game import PLAY, READY
from pages.ui.components.game_board import board_data
from pages.ui.webcam.game import FACES, MIRROR
from pages.ui.webcam.state import WebcamState
from tests.core.live.test_live import FakeDetector, face, frame
from tests.pages.conftest import check, state_in, words


class Page:
    """The webcam page, and the camera in front of it."""

    def __init__(self, app) -> None:
        self.app = app
        self.live = state_in(app, WebcamState).live
        self.detector = self.live._processor._detector = FakeDetector([face(100, 60)])
        self.time = None

    def watch(self, seconds: float, rate: int = 10) -> None:
        """Frames over some seconds, the last of them now."""
        import time

        start = max(self.time or 0.0, time.monotonic())
        for i in range(round(seconds * rate) + 1):
            self.live.frame(frame(), arrived=start + i / rate)
        self.time = start + seconds

    def press(self, label: str) -> None:
        next(button for button in self.app.button if button.label == label).click().run()
        check(self.app)

    def look(self) -> str:
        self.app.run()
        check(self.app)
        return words(self.app)

    def turn_to(self, view: str) -> None:
        self.app.run()  # AppTest knows only what the last run drew, which may have been a fragment
        self.app.segmented_control(key="live_view").set_value(view).run()
        check(self.app)

    @property
    def buttons(self) -> list[str]:
        return [button.label for button in self.app.button]


@pytest.fixture
def page(open_page) -> Page:
    return Page(open_page("webcam"))


# --- neutral baseline


def test_without_a_camera_recording_a_baseline_says_what_to_do(page):
    next(b for b in page.app.button if b.label == "Neutral baseline").click().run()
    check(page.app, errors=1)
    assert "Press START" in page.app.error[0].value
    page.app.run()
    check(page.app)


def test_the_baseline_of_two_seconds_is_recorded_reported_and_reset(page):
    page.watch(0.2)
    page.press("Neutral baseline")
    assert "Cancel" in page.buttons
    page.watch(1.0)
    page.look()
    assert "Cancel" in page.buttons
    page.watch(1.5)
    said = page.look()
    assert "esting face" in said or "At rest" in said
    result = page.live.neutral_baseline.result
    assert result is not None
    page.press("Reset")
    assert page.live.neutral_baseline.result is None
    assert "Reset" not in page.buttons


def test_what_is_in_the_way_of_the_two_seconds_is_said(page):
    page.watch(0.2)
    page.press("Neutral baseline")
    page.watch(1.0)
    page.detector.faces = (face(20, 30), face(180, 60))
    page.watch(0.5)
    assert "More than one face is visible; restarting the two seconds." in page.look()
    page.press("Cancel")
    assert page.app.warning[0].value == "Neutral baseline canceled."
    page.press("Neutral baseline")
    page.live.stop()
    page.look()
    assert "camera stopped" in page.app.warning[0].value


def test_another_model_in_the_sidebar_ends_the_baseline(page, monkeypatch):
    page.watch(0.2)
    page.press("Neutral baseline")
    page.watch(2.5)
    page.look()
    assert page.live.neutral_baseline.result is not None
    models = next(box for box in page.app.selectbox if "seed" in str(box.options))
    models.select("seed").run()
    check(page.app)
    assert page.live.neutral_baseline.result is None
    assert "model changed" in page.app.warning[0].value


# --- the expression mirror


def test_the_game_is_offered_played_and_ends_with_a_strip_to_download(page):
    page.turn_to(MIRROR)
    assert "Make the requested face." in words(page.app)
    page.press("Play")
    page.watch(READY + PLAY + 1)
    page.look()
    assert page.live.game.state().number == 2
    for _ in range(5):  # compact-people has seven classes beside neutral
        page.press("Skip")
    page.watch(READY + PLAY + 1)
    scene = page.live.game.state()
    assert scene.phase == "over"
    said = page.look()
    assert f"{scene.total} of 700" in said
    (download,) = page.app.get("download_button")
    assert download.label == "Download photo strip (PNG)"
    page.press("Play again")
    assert not page.live.game.over


def test_a_stopped_game_says_so_and_its_pictures_can_be_discarded(page):
    page.turn_to(MIRROR)
    page.press("Play")
    page.watch(READY + PLAY + 1)
    page.press("Stop")
    assert "You stopped the game. 1 of 7 rounds were finished" in words(page.app).replace("\\", "")
    page.press("Discard photos")
    assert page.live.game is None
    assert "Play" in page.buttons


def test_turning_to_the_faces_stops_the_game(page):
    page.turn_to(MIRROR)
    page.press("Play")
    page.watch(1)
    page.turn_to(FACES)
    assert page.live.game.over
    assert "frames/s]" in words(page.app)
    page.turn_to(MIRROR)
    assert "You switched to the faces. No round was finished." in words(page.app)


def test_another_model_ends_the_game_in_words(page):
    page.turn_to(MIRROR)
    page.press("Play")
    page.watch(1)
    models = next(box for box in page.app.selectbox if "seed" in str(box.options))
    models.select("seed").run()
    check(page.app)
    assert "model changed" in words(page.app)


def test_what_the_board_shows():
    game = Game(ClassList(("happy", "sad", "neutral")), seed=0)
    waiting = board_data(game.state(), coming=False)
    assert waiting["note"].startswith("The camera sends no frames. Press START")
    data = board_data(game.state(), coming=True)
    assert data["round"] == "Round 1 of 2"
    assert data["what"] == "Get ready to show"
    assert data["left"] == 1
    assert data["clock"] == "3 s"
    assert data["hint"] in ("cheeks raised, lip corners pulled up", "inner brows raised, lip corners down")


def test_a_strip_is_a_png():
    from fer_core.images import png
    from fer_core.live import Round, photo_strip

    sheet = photo_strip([Round("happy", 90, np.full((240, 240, 3), (200, 30, 30), np.uint8))], ClassList.fer2013())
    with Image.open(io.BytesIO(png(sheet))) as image:
        np.testing.assert_array_equal(np.asarray(image), sheet)
