from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fer_core.config import LiveConfig
from fer_core.faces import Face, crop_box
from fer_core.inference import Classifier
from fer_core.live import FrameStatsRecorder, LiveProcessor
from fer_core.live.smoothing import Smoother
from fer_core.live.tracking import Tracker
from fer_core.photos import predict_squares
from tests.factories import untrained_checkpoint


def face(x: float, y: float, size: float = 80, score: float = 0.9) -> Face:
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * size + [x, y]
    return Face((x, y, size, size), score, places.astype(np.float32))


class FakeDetector:
    """Gives the faces it is told to, and counts how often it is asked."""

    def __init__(self, faces=()) -> None:
        self.faces, self.calls = tuple(faces), 0

    def detect(self, image, fast=False):
        self.calls += 1
        return tuple(sorted(self.faces, key=lambda f: f.centre))


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", temperature=1.3))


def frame(seed: int = 0, height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


# --- tracking


def numbers(tracker: Tracker, faces, time: float, gap: float = 0.5) -> list[int]:
    return [track.number for track in tracker.update(faces, time, gap)]


def test_a_face_that_moves_keeps_its_number():
    tracker = Tracker()
    assert [numbers(tracker, [face(10 + 8 * i, 20)], i / 30) for i in range(20)] == [[1]] * 20


def test_a_face_that_jumps_far_or_changes_size_greatly_is_somebody_else():
    tracker = Tracker()
    assert numbers(tracker, [face(0, 0)], 0) == [1]
    assert numbers(tracker, [face(400, 0)], 0.03) == [2]
    assert numbers(tracker, [face(420, 20, size=20)], 0.06) == [3]


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    tracker = Tracker()
    numbers(tracker, [face(0, 0)], 0)
    numbers(tracker, [], 0.2)
    assert numbers(tracker, [face(4, 0)], 0.45) == [1]
    assert numbers(tracker, [face(4, 0)], 1.2) == [2]


def test_two_people_side_by_side_do_not_swap_numbers():
    tracker = Tracker()
    assert numbers(tracker, [face(0, 0), face(60, 0)], 0) == [1, 2]
    # both move right; the first now lies nearer to the second's old place than its own owner's new place
    assert numbers(tracker, [face(35, 0), face(95, 0)], 0.1) == [1, 2]


def test_numbers_are_never_used_again():
    tracker = Tracker()
    numbers(tracker, [face(0, 0)], 0)
    tracker.reset()
    assert numbers(tracker, [face(0, 0)], 0.1) == [2]


# --- smoothing


def test_smoothing_depends_on_seconds_and_not_on_the_frame_rate():
    start, step = np.zeros(7, np.float32), np.eye(7, dtype=np.float32)[0]
    results = []
    for rate in (10, 30, 100):
        smoother = Smoother()
        smoother.update(start, 0, 0.5)
        for i in range(1, rate + 1):
            value = smoother.update(step, i / rate, 0.5)
        results.append(value[0])
    assert results == pytest.approx([1 - math.exp(-1 / 0.5)] * 3, abs=1e-9)


def test_no_smoothing_shows_every_frame_by_itself():
    smoother = Smoother()
    smoother.update(np.ones(7, np.float32), 0, 0)
    np.testing.assert_allclose(smoother.update(np.arange(7, dtype=np.float32), 0.1, 0), np.arange(7))


def test_a_frame_from_the_past_changes_nothing():
    smoother = Smoother()
    smoother.update(np.zeros(7, np.float32), 1.0, 0.5)
    np.testing.assert_allclose(smoother.update(np.ones(7, np.float32), 0.5, 0.5), np.zeros(7))


def test_the_label_changes_only_by_a_clear_lead():
    smoother = Smoother()
    smoother.update(np.log(np.array([0.52, 0.48] + [1e-9] * 5)).astype(np.float32), 0, 0)
    assert smoother.predict(1.0, 0.1)[0] == 0
    smoother.update(np.log(np.array([0.47, 0.53] + [1e-9] * 5)).astype(np.float32), 1, 0)
    assert smoother.predict(1.0, 0.1)[0] == 0  # leads by 0.06 only
    smoother.update(np.log(np.array([0.40, 0.60] + [1e-9] * 5)).astype(np.float32), 2, 0)
    assert smoother.predict(1.0, 0.1)[0] == 1


# --- processor


def test_live_gives_what_upload_gives_for_the_same_frame_and_boxes(classifier):
    faces = [face(20, 30), face(180, 60, 100)]
    result = LiveProcessor(classifier, FakeDetector(faces)).process(frame(), 0)
    upload = predict_squares(frame(), [crop_box(f) for f in faces], classifier, faces)
    for live, photo in zip(result.faces, upload, strict=True):
        np.testing.assert_array_equal(live.raw_probabilities, photo.probabilities)
        np.testing.assert_array_equal(live.crop, photo.crop)


def test_the_first_frame_is_not_smoothed_and_the_next_is_between(classifier):
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]), LiveConfig(smoothing=0.5))
    first = processor.process(frame(0), 0).faces[0]
    np.testing.assert_allclose(first.probabilities, first.raw_probabilities, atol=1e-6)
    second = processor.process(frame(1), 0.1).faces[0]
    assert not np.allclose(second.probabilities, second.raw_probabilities, atol=1e-6)


def test_faces_are_looked_for_only_as_often_as_told_but_classified_in_every_frame(classifier):
    detector = FakeDetector([face(20, 30)])
    processor = LiveProcessor(classifier, detector, LiveConfig(detect_every=3))
    results = [processor.process(frame(i), i / 30) for i in range(9)]
    assert detector.calls == 3
    assert [r.detected for r in results] == [True, False, False] * 3
    assert all(len(r.faces) == 1 for r in results)
    assert len({r.faces[0].raw_probabilities.tobytes() for r in results}) == 9


def test_without_a_face_every_frame_is_searched_and_none_is_invented(classifier):
    detector = FakeDetector()
    processor = LiveProcessor(classifier, detector, LiveConfig(detect_every=5))
    assert all(processor.process(frame(i), i / 30).faces == () for i in range(4))
    assert detector.calls == 4


def test_only_the_largest_faces_are_kept(classifier):
    detector = FakeDetector([face(0, 0, 40), face(100, 0, 90), face(200, 0, 80)])
    result = LiveProcessor(classifier, detector, LiveConfig(max_faces=2)).process(frame(), 0)
    assert [f.box[0] for f in result.faces] == [100, 200]


def test_settings_change_from_the_next_frame_on(classifier):
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]))
    assert not processor.process(frame(), 0).faces[0].abstained
    processor.configure(LiveConfig(abstain_below=1.0))
    found = processor.process(frame(), 0.1).faces[0]
    assert found.abstained
    assert found.number == 1  # nothing was forgotten


@pytest.mark.parametrize(("score", "abstained"), [(0.76, True), (0.94, False)])
def test_a_face_that_the_detector_doubts_is_not_sure(classifier, score, abstained):
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30, score=score)]), LiveConfig(abstain_below=0.0))
    assert processor.process(frame(), 0).faces[0].abstained is abstained


def test_another_model_takes_over_and_faces_keep_their_numbers(classifier, tmp_path):
    other = Classifier.load(untrained_checkpoint(tmp_path / "other.safetensors", seed=5))
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]))
    before = processor.process(frame(), 0).faces[0]
    processor.use(other)
    after = processor.process(frame(), 0.1).faces[0]
    assert after.number == before.number
    np.testing.assert_allclose(after.probabilities, after.raw_probabilities, atol=1e-6)
    assert not np.allclose(after.probabilities, before.probabilities)


def test_a_frame_of_another_size_is_searched_anew(classifier):
    detector = FakeDetector([face(20, 30)])
    processor = LiveProcessor(classifier, detector, LiveConfig(detect_every=30))
    processor.process(frame(), 0)
    processor.process(frame(height=200, width=300), 0.03)
    assert detector.calls == 2


def test_the_frame_is_never_changed(classifier):
    image = frame()
    image.flags.writeable = False
    result = LiveProcessor(classifier, FakeDetector([face(20, 30)])).process(image, 0)
    assert len(result.faces) == 1
    np.testing.assert_array_equal(image, frame())


def at_once(work: Callable[[int], None]) -> None:
    """Call ``work(0)`` to ``work(4)`` in a thread each; what one of them raises fails the test."""
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))


def test_any_thread_may_call_at_any_moment(classifier):
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30), face(180, 60)]))

    def work(number: int) -> None:
        for i in range(15):
            if number == 0:
                processor.configure(LiveConfig(detect_every=1 + i % 3, smoothing=i / 10))
            elif number == 1:
                processor.reset()
            else:
                processor.process(frame(i), number + i / 30)

    at_once(work)
    processor.configure(LiveConfig())
    processor.reset()
    fresh = LiveProcessor(classifier, FakeDetector([face(20, 30), face(180, 60)]), LiveConfig())
    ours, expected = (p.process(frame(), 100).faces for p in (processor, fresh))
    assert len(ours) == len(expected) == 2
    for one, other in zip(ours, expected, strict=True):
        assert (one.box, one.label) == (other.box, other.label)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_a_replay_gives_the_same_results_twice(classifier):
    def run() -> list[bytes]:
        processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]))
        return [processor.process(frame(i), i / 25).faces[0].probabilities.tobytes() for i in range(10)]

    assert run() == run()


def test_a_result_is_marked_with_what_was_predicted(classifier):
    result = LiveProcessor(classifier, FakeDetector([face(100, 60), face(10, 60)])).process(frame(), 0)
    for found, mark in zip(result.faces, result.marks(), strict=True):
        assert (mark.box, mark.number, mark.classes[mark.label]) == (found.box, found.number, found.label)
        assert mark.abstained == found.abstained
        assert mark.classes.names == classifier.labels
        assert len(mark.probabilities) == len(classifier.labels)
        assert mark.probabilities[mark.label] == found.probability


def test_a_result_below_the_threshold_is_marked_as_unsure(classifier):
    processor = LiveProcessor(classifier, FakeDetector([face(100, 60)]), LiveConfig(abstain_below=1.0))
    assert [mark.abstained for mark in processor.process(frame(), 0).marks()] == [True]


# --- meter


def test_the_meter_counts_frames_ages_and_drops():
    meter = FrameStatsRecorder(seconds=2)
    for i in range(61):  # 30 a second for two seconds; every second one is dropped for the next
        time = i / 30
        if i % 2 == 0:
            meter.arrived(time, dropped=1 if i else 0)
            meter.finished(time, time + 0.02, {"detect": 5.0, "classify": 3.0}, faces=2)
    rates = meter.stats(now=2.02)
    assert rates.shown == pytest.approx(15, abs=0.5)
    assert rates.received == pytest.approx(30, abs=1.5)
    assert rates.dropped == 30
    assert rates.latency_ms == pytest.approx(20)
    assert rates.stages == {"detect": 5.0, "classify": 3.0}
    assert rates.faces == 2


def test_the_meter_can_be_read_before_the_first_frame_and_long_after_the_last():
    meter = FrameStatsRecorder()
    assert meter.stats(0).shown == 0
    meter.arrived(1)
    meter.finished(1, 1.01, {}, 1)
    assert meter.stats(100).faces == 0
