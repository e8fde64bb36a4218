from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.errors import FerError, ModelError
from fer_core.inference import softmax
from fer_core.live import LiveProcessor, LiveSession
from fer_core.live.calibration import MOST, ODDS, SECONDS, calibration
from tests.core.live.test_live import FakeDetector, at_once, face, frame

SEVEN = ClassList.fer2013()

T = 1.3
SAD, NEUTRAL = SEVEN.index("sad"), SEVEN.index("neutral")
RESTING_SAD = np.array([-1.0, -6.0, 0.2, -4.0, 2.0, -3.0, 1.4], np.float32)
"""A face that looks sad while it rests; angry, disgust, happy and surprise do not compete."""


class FakeClassifier:
    """Answers with the logits it is told to, in turn for each face of a frame."""

    def __init__(self, *rows, labels=SEVEN, temperature=T) -> None:
        self.rows, self.classes = list(rows), ClassList(tuple(labels))
        self.info = SimpleNamespace(temperature=temperature, abstain_below=0.3)
        self.temperature, self.abstain_below = temperature, 0.3
        self.sensitivity, self.shift = 0.0, np.zeros(len(labels))

    def adjust(self, logits):
        return logits

    def same_network(self, other):
        return self is other

    def logits(self, crops):
        rows = [self.rows[i % len(self.rows)] for i in range(len(crops))]
        return np.array(rows, np.float32).reshape(len(crops), len(self.classes))


def processor(*rows, faces=None, config=None) -> LiveProcessor:
    return LiveProcessor(FakeClassifier(*rows), FakeDetector([face(20, 30)] if faces is None else faces), config)


ALONE = LiveConfig(detect_every=1)


def show(live: LiveProcessor, start: float, seconds: float, faces=None, rate: int = 20):
    """Frames over some seconds; the last result."""
    if faces is not None:
        live._detector.faces = tuple(faces)
    for i in range(round(seconds * rate) + 1):
        result = live.process(frame(), start + i / rate)
    return result


def calibrated(*rows, **options) -> LiveProcessor:
    live = processor(*rows, config=ALONE, **options)
    live.calibrate()
    show(live, 0, SECONDS)
    assert live.calibration.result is not None
    return live


# --- the correction


def test_the_correction_by_hand():
    found = calibration(np.array([2.0, -3.0, 1.0]), ClassList(("sad", "happy", "neutral")), 1.0)
    gap = np.log(9)
    np.testing.assert_allclose(found.lowered, [min(3, 2 - 1 + gap), 0, 0])
    found = calibration(np.array([0.5, 0.9, 1.0]), ClassList(("sad", "happy", "neutral")), 0.5)
    np.testing.assert_allclose(found.lowered, [-0.5 + gap / 2, -0.1 + gap / 2, 0])


def test_at_rest_no_expression_has_more_than_a_ninth_of_neutral_and_others_stay_as_they_are():
    rest = np.array([-1.0, -6.0, 0.9, -4.0, 1.2, -3.0, 1.4])
    found = calibration(rest, SEVEN, 1.0)
    after = softmax(rest - found.lowered, 1.0)
    others = np.delete(after, NEUTRAL)
    assert others.max() == pytest.approx(after[NEUTRAL] / ODDS, rel=1e-5)
    assert [SEVEN[i] for i in np.flatnonzero(found.lowered)] == ["fear", "sad"]


def test_no_more_than_three_logits_are_taken_off_and_the_page_hears_it():
    found = calibration(np.array([7.0, -3.0, 1.0]), ClassList(("sad", "happy", "neutral")), 1.0)
    assert found.lowered.tolist() == [MOST, 0, 0]
    assert "still says sad" in found.words()


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ([-3.0, -3.0, 1.0], "Your resting face already reads as neutral: nothing is changed."),
        ([1.4, -3.0, 1.0], "At rest the network read sad into your face; it now needs 2.6 more to say sad."),
        (
            [0.0, 0.5, 1.0],
            "your face as neutral, but not clearly; it now needs 1.7 more to say happy and 1.2 more to say",
        ),
    ],
)
def test_what_changed_in_words(rest, words):
    assert words in calibration(np.array(rest), ClassList(("sad", "happy", "neutral")), 1.0).words()


# --- the two seconds


def test_the_raw_logits_of_two_seconds_are_averaged_and_the_smoothed_ones_are_not():
    live = processor(RESTING_SAD, config=LiveConfig(smoothing=5, detect_every=1))
    live.process(frame(), -1.0)
    live.calibrate()
    rows = [RESTING_SAD + np.float32(i % 2) for i in range(41)]  # 0, 1, 0, …: the mean is 20 / 41
    for i, row in enumerate(rows):
        assert live.calibration.running
        assert live.calibration.share == pytest.approx(max(0, i - 1) / 40)
        live._classifier.rows = [row]
        live.process(frame(), i / 20)
    found = live.calibration
    assert not found.running
    np.testing.assert_allclose(found.result.rest, np.mean(rows, axis=0), rtol=1e-6)


def test_the_answers_of_all_faces_change_and_what_upload_gives_does_not():
    live = calibrated(RESTING_SAD)
    result = show(live, 2.1, 0.1, faces=[face(20, 30), face(180, 60)])
    lowered = live.calibration.result.lowered
    assert lowered[SAD] == pytest.approx(MOST)
    for found in result.faces:
        np.testing.assert_array_equal(found.raw_probabilities, softmax(RESTING_SAD, T))
        np.testing.assert_allclose(found.probabilities, softmax(RESTING_SAD - lowered, T), atol=1e-6)
        assert found.label == "neutral"
    live.forget_calibration()
    found = show(live, 2.4, 0.1).faces[0]
    np.testing.assert_allclose(found.probabilities, softmax(RESTING_SAD, T), atol=1e-6)
    assert found.label == "sad"


def test_an_expression_that_is_really_made_still_wins():
    live = calibrated(RESTING_SAD)
    live._classifier.rows = [RESTING_SAD + 4 * np.eye(7, dtype=np.float32)[SAD]]
    assert show(live, 2.1, 3).faces[0].label == "sad"


def waits(live: LiveProcessor, words: str) -> bool:
    now = live.calibration
    return now.running and words in now.note


def test_a_second_face_starts_the_two_seconds_anew():
    live = processor(RESTING_SAD, config=ALONE)
    live.calibrate()
    show(live, 0, 1.9)
    show(live, 1.95, 0, faces=[face(20, 30), face(180, 60)])
    assert waits(live, "More than one face is in the picture: the two seconds begin anew")
    assert live.calibration.share == 0
    show(live, 2.0, 1.9, faces=[face(20, 30)])
    assert waits(live, "begin anew")
    show(live, 3.95, 0.1)
    assert live.calibration.result is not None
    assert live.calibration.note == ""


def test_a_lost_face_starts_the_two_seconds_anew():
    live = processor(RESTING_SAD, config=ALONE)
    live.calibrate()
    show(live, 0, 1.5)
    show(live, 1.55, 0, faces=[])
    assert waits(live, "No face is in the picture: the two seconds begin anew")
    show(live, 1.6, 1.5, faces=[face(20, 30)])
    assert waits(live, "begin anew")


def test_somebody_else_in_the_same_picture_starts_the_two_seconds_anew():
    live = processor(RESTING_SAD, config=ALONE)
    live.calibrate()
    show(live, 0, 1.5)
    show(live, 1.55, 1.5, faces=[face(220, 130)])
    assert waits(live, "Another face")


def test_a_picture_that_stood_still_starts_the_two_seconds_anew():
    live = processor(RESTING_SAD, config=LiveConfig(detect_every=30, gap=10))
    live.calibrate()
    show(live, 0, 1.0)
    show(live, 5.0, 1.5)
    assert waits(live, "stood still")


def test_a_slow_machine_takes_longer_but_not_fewer_than_five_frames():
    live = processor(RESTING_SAD, config=ALONE)
    live.calibrate()
    for i in range(4):  # each time under another number, since the gap is too long to bridge
        live.process(frame(), 2.0 * i)
    assert live.calibration.running
    assert live.calibration.share == pytest.approx(4 / 5)
    live.process(frame(), 8.0)
    assert live.calibration.result is not None


def test_waiting_for_the_first_face_is_said_and_forgotten():
    live = processor(RESTING_SAD, faces=[], config=ALONE)
    live.calibrate()
    show(live, 0, 0.5)
    assert live.calibration.note == "No face is in the picture."
    show(live, 0.6, 0.1, faces=[face(20, 30)])
    assert live.calibration.running
    assert live.calibration.note == ""


def test_a_stop_cancels_the_two_seconds_and_leaves_what_was_calibrated():
    live = calibrated(RESTING_SAD)
    before = live.calibration.result
    live.reset()
    assert live.calibration.result is before
    assert live.calibration.note == ""
    live.calibrate()
    show(live, 3, 0.5)
    live.reset()
    assert not live.calibration.running
    assert "camera stopped" in live.calibration.note
    assert live.calibration.result is before
    live.calibrate()
    live.stop_calibrating()
    assert live.calibration.note == "Calibration cancelled."


def test_another_model_ends_the_calibration_and_the_same_does_not():
    live = calibrated(RESTING_SAD)
    assert not live.use(live._classifier)
    assert live.calibration.result is not None
    assert live.use(FakeClassifier(RESTING_SAD))
    assert live.calibration.result is None
    assert "model was changed" in live.calibration.note
    assert show(live, 2.1, 0.1).faces[0].label == "sad"


def test_a_model_without_neutral_is_refused_in_a_sentence():
    live = LiveProcessor(FakeClassifier([1.0, 2.0], labels=("smile", "frown")), FakeDetector())
    with pytest.raises(ModelError, match="no class 'neutral', only smile, frown"):
        live.calibrate()
    assert not live.calibration.running


def test_without_a_picture_there_is_nothing_to_calibrate():
    live = LiveSession(FakeClassifier(RESTING_SAD), processor=processor(RESTING_SAD))
    with pytest.raises(FerError, match="Press START"):
        live.calibrate()
    live.frame(frame())
    live.calibrate()
    assert live.calibration.running
    live.stop()
    assert "camera stopped" in live.calibration.note


def test_any_thread_may_calibrate_at_any_moment():
    live = processor(RESTING_SAD, config=ALONE)

    def work(number: int) -> None:
        for i in range(60):
            if number == 0:
                live.calibrate()
            elif number == 1:
                live.forget_calibration()
            elif number == 2:
                live.use(FakeClassifier(RESTING_SAD))
            elif number == 3:
                live.reset()
            else:
                live.process(frame(), i / 2)

    at_once(work)
    live.forget_calibration()
    assert live.calibration.result is None
    live.calibrate()
    show(live, 100, SECONDS)
    assert live.calibration.result is not None
    assert not live.calibration.running
    reference = calibrated(RESTING_SAD).calibration.result
    assert reference is not None
    np.testing.assert_array_equal(live.calibration.result.lowered, reference.lowered)
