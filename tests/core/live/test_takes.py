"""Takes recorded from the live view: what is kept, what is left out and said, and a camera that drops out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fer_core.errors import FerError
from fer_core.live import LiveProcessor, LiveSession, TakeRecorder, takes
from tests.core.live.test_live import FakeDetector, face, frame
from tests.core.live.test_neutral_baseline import FakeClassifier

PICTURE = np.full((240, 320, 3), 90, np.uint8)
GREEN, AMBER = (0, 158, 115), (230, 159, 0)


class Camera:
    """A recorder with a clock of its own, and frames that show a face or a reason."""

    def __init__(self, monkeypatch) -> None:
        self.now, self.reason, self.judged = 100.0, None, 0
        monkeypatch.setattr(takes.clock, "monotonic", lambda: self.now)
        self.recorder = TakeRecorder(self.judge)

    def judge(self, rgb):
        self.judged += 1
        image = None if self.reason else np.full((48, 48), self.judged % 256, np.uint8)
        return SimpleNamespace(image=image, reason=self.reason, box=None if self.reason else (100.0, 60.0, 80.0, 80.0))

    def run(self, seconds: float, rate: float = 20) -> np.ndarray:
        """Frames for some seconds; returns the last picture as the browser shows it."""
        shown = PICTURE
        for _ in range(round(seconds * rate)):
            self.now += 1 / rate
            shown = self.recorder.frame(PICTURE, self.now)
        return shown


@pytest.fixture
def camera(monkeypatch) -> Camera:
    return Camera(monkeypatch)


def test_a_take_is_four_seconds_after_a_countdown_of_three_with_ten_faces_a_second(camera):
    camera.run(0.1)
    camera.recorder.record("smile")
    camera.run(2.9)
    state = camera.recorder.state()
    assert (state.phase, state.class_name, state.kept) == ("countdown", "smile", 0)
    camera.run(2.1)
    state = camera.recorder.state()
    assert state.phase == "recording"
    assert state.left == pytest.approx(2, abs=0.06)
    assert state.kept in (20, 21)
    assert len(state.faces) == takes.SHOWN
    assert camera.recorder.finished() is None
    camera.run(2.1)
    take = camera.recorder.finished()
    assert take is not None
    assert take.class_name == "smile"
    assert take.faces.dtype == np.uint8
    assert take.faces.shape[1:] == (48, 48)
    assert len(take.faces) in (40, 41)
    assert len({int(f[0, 0]) for f in take.faces}) == len(take.faces)  # no face twice
    assert not take.left_out
    assert not take.note
    assert camera.recorder.finished() is None
    assert camera.recorder.state().phase == "idle"


def test_moments_without_a_face_are_counted_by_reason_and_said_at_once(camera):
    camera.run(0.1)
    camera.recorder.record("smile")
    camera.run(4)
    camera.reason = "several faces"
    camera.run(1)
    assert camera.recorder.state().reason == "several faces"
    camera.reason = "no face"
    camera.run(0.5)
    camera.reason = None
    camera.run(2)
    assert camera.recorder.state().reason is None
    take = camera.recorder.finished()
    assert take is not None
    assert take.left_out["several faces"] in (9, 10, 11)
    assert take.left_out["no face"] in (4, 5, 6)
    assert len(take.faces) + sum(take.left_out.values()) in (40, 41)


def test_a_take_without_any_face_is_none_and_says_why(camera):
    camera.run(0.1)
    camera.recorder.record("smile")
    camera.reason = "no face"
    camera.run(7.5)
    assert camera.recorder.finished() is None
    assert camera.recorder.state().note == "No face was kept (no face). Record the take again."


def test_the_picture_has_a_green_frame_while_faces_are_kept_and_another_one_while_not(camera):
    shown = camera.run(0.1)
    assert tuple(shown[0, 0]) == (90, 90, 90)
    camera.recorder.record("smile")
    camera.run(3.5)
    assert tuple(camera.run(0.05)[0, 0]) == GREEN
    camera.reason = "blurred"
    assert tuple(camera.run(0.05)[0, 0]) == AMBER
    assert (PICTURE == 90).all()


def test_a_face_is_seen_whether_it_is_kept_or_not(camera):
    assert not camera.recorder.sees_face
    camera.run(0.1)
    assert camera.recorder.sees_face
    camera.reason = "no face"
    camera.run(0.1)
    assert not camera.recorder.sees_face


def test_the_drawn_box_is_mirrored_with_the_picture_and_the_faces_are_not(camera):
    plain = camera.recorder.frame(PICTURE, camera.now)
    mirrored = camera.recorder.frame(PICTURE, camera.now, mirror=True)
    columns = np.flatnonzero((plain != 90).any(axis=(0, 2)))
    flipped = np.flatnonzero((mirrored != 90).any(axis=(0, 2)))
    assert columns.mean() == pytest.approx(140, abs=2)
    assert flipped.mean() == pytest.approx(180, abs=2)


@pytest.mark.parametrize("silent", [True, False])
def test_a_camera_that_drops_out_leaves_a_shorter_take_and_says_so(camera, silent):
    camera.run(0.1)
    camera.recorder.record("smile")
    camera.run(4.5)
    if silent:
        camera.now += takes.SILENCE + 0.1
        assert camera.recorder.state().phase == "idle"
    else:
        camera.recorder.stop()
    take = camera.recorder.finished()
    assert take is not None
    assert len(take.faces) in (15, 16)
    assert take.note == camera.recorder.state().note == "The camera stopped after 1.5 of 4 seconds."


def test_a_camera_that_drops_out_in_the_countdown_leaves_nothing(camera):
    camera.run(0.1)
    camera.recorder.record("smile")
    camera.run(1)
    camera.recorder.stop()
    assert camera.recorder.finished() is None
    assert "before a face was kept" in camera.recorder.state().note
    camera.recorder.stop()
    with pytest.raises(FerError, match="The camera is off"):
        camera.recorder.record("smile")


def test_a_second_take_waits_for_the_first_and_a_canceled_one_is_gone(camera):
    with pytest.raises(FerError, match="The camera is off"):
        camera.recorder.record("smile")
    camera.run(0.1)
    camera.recorder.record("smile")
    with pytest.raises(FerError, match="A take is being recorded"):
        camera.recorder.record("frown")
    camera.run(4)
    camera.recorder.cancel()
    camera.run(4)
    assert camera.recorder.finished() is None
    camera.recorder.record("frown")
    camera.run(7.2)
    take = camera.recorder.finished()
    assert take is not None
    assert take.class_name == "frown"


def test_a_live_session_sends_its_frames_to_the_recorder_and_then_to_the_model_again(camera):
    classifier = FakeClassifier(np.zeros(7))
    live = LiveSession(classifier, processor=LiveProcessor(classifier, FakeDetector([face(100, 60)])))
    live.show_to(camera.recorder)
    live.frame(frame())
    assert camera.judged == live.frames == 1
    assert live.faces() == ()
    assert live.takes is camera.recorder
    camera.recorder.record("smile")
    live.show_to(None)  # ends the take, as a stopped camera does
    assert camera.recorder.state().phase == "idle"
    live.frame(frame())
    assert camera.judged == 1
    assert live.frames == 2
    assert len(live.faces()) == 1
    live.show_to(camera.recorder)
    live.frame(frame())
    camera.recorder.record("smile")
    live.stop()
    assert camera.recorder.state().phase == "idle"
