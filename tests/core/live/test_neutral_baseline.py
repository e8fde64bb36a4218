from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.errors import FerError, ModelError
from fer_core.inference import softmax
from fer_core.live import LiveProcessor, LiveSession
from fer_core.live.neutral_baseline import MAX_OFFSET, ODDS, SECONDS, fit_neutral_baseline
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


def with_baseline(*rows, **options) -> LiveProcessor:
    live = processor(*rows, config=ALONE, **options)
    live.record_neutral_baseline()
    show(live, 0, SECONDS)
    assert live.neutral_baseline.result is not None
    return live


# --- the correction


def test_the_correction_by_hand():
    found = fit_neutral_baseline(np.array([2.0, -3.0, 1.0]), ClassList(("sad", "happy", "neutral")), 1.0)
    gap = np.log(9)
    np.testing.assert_allclose(found.offset, [min(3, 2 - 1 + gap), 0, 0])
    found = fit_neutral_baseline(np.array([0.5, 0.9, 1.0]), ClassList(("sad", "happy", "neutral")), 0.5)
    np.testing.assert_allclose(found.offset, [-0.5 + gap / 2, -0.1 + gap / 2, 0])


def test_at_rest_no_expression_has_more_than_a_ninth_of_neutral_and_others_stay_as_they_are():
    rest = np.array([-1.0, -6.0, 0.9, -4.0, 1.2, -3.0, 1.4])
    found = fit_neutral_baseline(rest, SEVEN, 1.0)
    after = softmax(rest - found.offset, 1.0)
    others = np.delete(after, NEUTRAL)
    assert others.max() == pytest.approx(after[NEUTRAL] / ODDS, rel=1e-5)
    assert [SEVEN[i] for i in np.flatnonzero(found.offset)] == ["fear", "sad"]


def test_a_logit_is_lowered_by_at_most_three_and_the_summary_reports_it():
    found = fit_neutral_baseline(np.array([7.0, -3.0, 1.0]), ClassList(("sad", "happy", "neutral")), 1.0)
    assert found.offset.tolist() == [MAX_OFFSET, 0, 0]
    assert "still classified as sad" in found.summary()


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ([-3.0, -3.0, 1.0], "Your resting face is already classified as neutral, so nothing changes."),
        ([1.4, -3.0, 1.0], "Your resting face scored as sad; sad now needs a logit 2.6 higher."),
        (
            [0.0, 0.5, 1.0],
            "scored as neutral, but not clearly; happy now needs a logit 1.7 higher and sad 1.2 higher.",
        ),
    ],
)
def test_the_summary_reports_what_changed(rest, words):
    assert words in fit_neutral_baseline(np.array(rest), ClassList(("sad", "happy", "neutral")), 1.0).summary()


# --- the two seconds


def test_the_raw_logits_of_two_seconds_are_averaged_and_the_smoothed_ones_are_not():
    live = processor(RESTING_SAD, config=LiveConfig(smoothing=5, detect_every=1))
    live.process(frame(), -1.0)
    live.record_neutral_baseline()
    rows = [RESTING_SAD + np.float32(i % 2) for i in range(41)]  # 0, 1, 0, …: the mean is 20 / 41
    for i, row in enumerate(rows):
        assert live.neutral_baseline.running
        assert live.neutral_baseline.share == pytest.approx(max(0, i - 1) / 40)
        live._classifier.rows = [row]
        live.process(frame(), i / 20)
    found = live.neutral_baseline
    assert not found.running
    np.testing.assert_allclose(found.result.rest, np.mean(rows, axis=0), rtol=1e-6)


def test_the_predictions_of_all_faces_change_and_raw_probabilities_do_not():
    live = with_baseline(RESTING_SAD)
    result = show(live, 2.1, 0.1, faces=[face(20, 30), face(180, 60)])
    lowered = live.neutral_baseline.result.offset
    assert lowered[SAD] == pytest.approx(MAX_OFFSET)
    for found in result.faces:
        np.testing.assert_array_equal(found.raw_probabilities, softmax(RESTING_SAD, T))
        np.testing.assert_allclose(found.probabilities, softmax(RESTING_SAD - lowered, T), atol=1e-6)
        assert found.label == "neutral"
    live.clear_neutral_baseline()
    found = show(live, 2.4, 0.1).faces[0]
    np.testing.assert_allclose(found.probabilities, softmax(RESTING_SAD, T), atol=1e-6)
    assert found.label == "sad"


def test_an_expression_that_is_really_made_still_wins():
    live = with_baseline(RESTING_SAD)
    live._classifier.rows = [RESTING_SAD + 4 * np.eye(7, dtype=np.float32)[SAD]]
    assert show(live, 2.1, 3).faces[0].label == "sad"


def waits(live: LiveProcessor, words: str) -> bool:
    now = live.neutral_baseline
    return now.running and words in now.note


def test_a_second_face_restarts_the_two_seconds():
    live = processor(RESTING_SAD, config=ALONE)
    live.record_neutral_baseline()
    show(live, 0, 1.9)
    show(live, 1.95, 0, faces=[face(20, 30), face(180, 60)])
    assert waits(live, "More than one face is visible; restarting the two seconds")
    assert live.neutral_baseline.share == 0
    show(live, 2.0, 1.9, faces=[face(20, 30)])
    assert waits(live, "restarting")
    show(live, 3.95, 0.1)
    assert live.neutral_baseline.result is not None
    assert live.neutral_baseline.note == ""


def test_a_lost_face_restarts_the_two_seconds():
    live = processor(RESTING_SAD, config=ALONE)
    live.record_neutral_baseline()
    show(live, 0, 1.5)
    show(live, 1.55, 0, faces=[])
    assert waits(live, "No face is visible; restarting the two seconds")
    show(live, 1.6, 1.5, faces=[face(20, 30)])
    assert waits(live, "restarting")


def test_somebody_else_in_the_frame_restarts_the_two_seconds():
    live = processor(RESTING_SAD, config=ALONE)
    live.record_neutral_baseline()
    show(live, 0, 1.5)
    show(live, 1.55, 1.5, faces=[face(220, 130)])
    assert waits(live, "Another face")


def test_a_frozen_video_restarts_the_two_seconds():
    live = processor(RESTING_SAD, config=LiveConfig(detect_every=30, gap=10))
    live.record_neutral_baseline()
    show(live, 0, 1.0)
    show(live, 5.0, 1.5)
    assert waits(live, "froze")


def test_a_slow_machine_takes_longer_but_not_fewer_than_five_frames():
    live = processor(RESTING_SAD, config=ALONE)
    live.record_neutral_baseline()
    for i in range(4):  # each time under another number, since the gap is too long to bridge
        live.process(frame(), 2.0 * i)
    assert live.neutral_baseline.running
    assert live.neutral_baseline.share == pytest.approx(4 / 5)
    live.process(frame(), 8.0)
    assert live.neutral_baseline.result is not None


def test_waiting_for_the_first_face_shows_a_note_until_it_comes():
    live = processor(RESTING_SAD, faces=[], config=ALONE)
    live.record_neutral_baseline()
    show(live, 0, 0.5)
    assert live.neutral_baseline.note == "No face is visible."
    show(live, 0.6, 0.1, faces=[face(20, 30)])
    assert live.neutral_baseline.running
    assert live.neutral_baseline.note == ""


def test_a_stop_cancels_the_recording_and_keeps_the_baseline():
    live = with_baseline(RESTING_SAD)
    before = live.neutral_baseline.result
    live.reset()
    assert live.neutral_baseline.result is before
    assert live.neutral_baseline.note == ""
    live.record_neutral_baseline()
    show(live, 3, 0.5)
    live.reset()
    assert not live.neutral_baseline.running
    assert "camera stopped" in live.neutral_baseline.note
    assert live.neutral_baseline.result is before
    live.record_neutral_baseline()
    live.cancel_neutral_baseline()
    assert live.neutral_baseline.note == "Neutral baseline canceled."


def test_another_model_removes_the_baseline_and_the_same_does_not():
    live = with_baseline(RESTING_SAD)
    assert not live.use(live._classifier)
    assert live.neutral_baseline.result is not None
    assert live.use(FakeClassifier(RESTING_SAD))
    assert live.neutral_baseline.result is None
    assert "model changed" in live.neutral_baseline.note
    assert show(live, 2.1, 0.1).faces[0].label == "sad"


def test_a_model_without_neutral_is_refused_in_a_sentence():
    live = LiveProcessor(FakeClassifier([1.0, 2.0], labels=("smile", "frown")), FakeDetector())
    with pytest.raises(ModelError, match="needs the class 'neutral', but this model has only smile, frown"):
        live.record_neutral_baseline()
    assert not live.neutral_baseline.running


def test_without_a_frame_no_baseline_can_be_recorded():
    live = LiveSession(FakeClassifier(RESTING_SAD), processor=processor(RESTING_SAD))
    with pytest.raises(FerError, match="Press START"):
        live.record_neutral_baseline()
    live.frame(frame())
    live.record_neutral_baseline()
    assert live.neutral_baseline.running
    live.stop()
    assert "camera stopped" in live.neutral_baseline.note


def test_any_thread_may_record_a_baseline_at_any_time():
    live = processor(RESTING_SAD, config=ALONE)

    def work(number: int) -> None:
        for i in range(60):
            if number == 0:
                live.record_neutral_baseline()
            elif number == 1:
                live.clear_neutral_baseline()
            elif number == 2:
                live.use(FakeClassifier(RESTING_SAD))
            elif number == 3:
                live.reset()
            else:
                live.process(frame(), i / 2)

    at_once(work)
    live.clear_neutral_baseline()
    assert live.neutral_baseline.result is None
    live.record_neutral_baseline()
    show(live, 100, SECONDS)
    assert live.neutral_baseline.result is not None
    assert not live.neutral_baseline.running
    reference = with_baseline(RESTING_SAD).neutral_baseline.result
    assert reference is not None
    np.testing.assert_array_equal(live.neutral_baseline.result.offset, reference.offset)
