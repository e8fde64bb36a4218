from __future__ import annotations

import asyncio
import csv
import threading
import time as clock
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction

import av
import numpy as np
import pytest

from fer_core.config import LiveConfig
from fer_core.errors import FerError
from fer_core.inference import Classifier
from fer_core.live import LiveProcessor, LiveSession, frames_callback
from fer_core.live import session as module
from tests.core.live.test_live import FakeDetector, face, frame
from tests.core.live.test_neutral_baseline import FakeClassifier
from tests.factories import untrained_checkpoint


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


@pytest.fixture
def live(classifier) -> LiveSession:
    return LiveSession(classifier, processor=LiveProcessor(classifier, FakeDetector([face(100, 60)])))


def test_everything_may_be_asked_before_the_first_frame(live, workspace):
    assert live.faces() == ()
    assert live.history() == {}
    assert live.stats().shown == 0
    assert live.stop_recording() is None
    live.stop()
    live.stop()
    with pytest.raises(FerError, match="no frame to save yet"):
        live.snapshot(workspace)
    assert not workspace.root.exists()


def test_a_frame_comes_back_annotated_and_mirrored(live):
    picture = frame()
    shown = live.frame(picture)
    assert shown.shape == picture.shape
    assert not np.array_equal(shown, picture)
    np.testing.assert_array_equal(shown[:20, -20:], picture[:20, :20][:, ::-1])
    assert len(live.faces()) == 1
    assert set(live.history()) == {1}
    assert live.frames == 1


def test_a_failure_shows_the_plain_picture_and_says_what_happened(live, classifier, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(live._processor, "process", broken)
    live.configure(LiveConfig(mirror=False))
    np.testing.assert_array_equal(live.frame(frame()), frame())
    assert "inside" in live.error
    monkeypatch.undo()
    live.frame(frame())
    assert live.error is None


def test_a_snapshot_is_the_picture_that_was_shown(live, workspace):
    from PIL import Image

    shown = live.frame(frame())
    first, second = live.snapshot(workspace), live.snapshot(workspace)
    assert first != second
    with Image.open(first) as saved:
        np.testing.assert_array_equal(np.asarray(saved), shown)


def test_a_recording_holds_every_frame_and_every_face(live, workspace):
    path = live.start_recording(workspace)
    assert live.start_recording(workspace) == path
    for i in range(12):
        live.frame(frame(i), arrived=100 + i / 25)
    assert live.stop_recording() == path
    assert live.recording is None
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 12
    with path.with_suffix(".csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert float(rows[-1]["time"]) == pytest.approx(11 / 25, abs=1e-3)


def test_a_recording_says_at_which_sensitivity_each_face_was_read(tmp_path, workspace):
    prior = (0.3, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1)
    own = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", prior=prior, sensitivity=0.25))
    live = LiveSession(own, processor=LiveProcessor(own, FakeDetector([face(100, 60)])))
    path = live.start_recording(workspace)
    live.frame(frame(0), arrived=100)
    live.use(own.with_sensitivity(0.75))
    live.frame(frame(1), arrived=101)
    live.stop_recording()
    assert live.sensitivity == 0.75
    with path.with_suffix(".csv").open(encoding="utf-8-sig") as file:
        assert [row["sensitivity"] for row in csv.DictReader(file)] == ["0.25", "0.75"]
    with av.open(str(path)) as container:
        assert "0.25" in container.metadata["comment"]


def test_a_recording_ends_by_itself_at_the_space_that_is_left_and_says_so(live, workspace):
    path = live.start_recording(workspace, most_bytes=20_000)
    rng = np.random.default_rng(0)
    for i in range(60):
        live.frame(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8), arrived=100 + i / 25)
    assert live.recording is None
    assert "your space is full" in live.recording_error
    assert path.name in live.recording_error
    with av.open(str(path)) as container:
        assert 0 < len(list(container.decode(video=0))) <= 32  # the file grows by fragments of 30 frames
    live.start_recording(workspace)
    assert live.recording_error is None


def test_the_newest_frame_and_the_newest_face_have_a_time(classifier):
    detector = FakeDetector([face(100, 60)])
    live = LiveSession(classifier, processor=LiveProcessor(classifier, detector))
    assert (live.last_frame, live.last_face) == (None, None)
    before = clock.monotonic()
    live.frame(frame())
    seen = live.last_face
    assert before <= live.last_frame <= seen <= clock.monotonic()
    detector.faces = []
    for i in range(40):
        live.frame(frame(i), arrived=200 + i)
    assert live.last_frame > seen
    assert not live.faces()


def test_a_crash_keeps_what_was_recorded(live, workspace):
    path = live.start_recording(workspace)
    for i in range(90):
        live.frame(frame(i % 4), arrived=100 + i / 30)
    data = path.read_bytes()  # as it lies on the disk while the recording goes on
    copy = path.with_name("after the crash.mp4")
    copy.write_bytes(data)
    frames = 0
    with av.open(str(copy)) as container, suppress(av.FFmpegError):  # the last fragment is cut short
        for _ in container.decode(video=0):
            frames += 1
    assert frames >= 30
    assert len(path.with_suffix(".csv").read_text().splitlines()) >= 30
    live.stop()


def test_a_recording_without_a_frame_leaves_nothing(live, workspace):
    live.start_recording(workspace)
    assert live.stop_recording() is None
    assert list(workspace.recordings.iterdir()) == []


def test_a_slow_machine_is_relieved_and_told(live, monkeypatch):
    monkeypatch.setattr(module, "SLOW_FRAME", -1.0)
    for i in range(module._SLOW_FRAMES):
        live.frame(frame(), arrived=float(i))
    assert "too slow" in live.reduced
    assert live._processor.config.detect_every == 4
    live.configure(LiveConfig(smoothing=1.0))
    assert live.reduced is None
    assert live._processor.config.detect_every == LiveConfig().detect_every


def test_old_faces_leave_the_history(live):
    live.frame(frame(), arrived=0)
    live._processor._detector.faces = ()
    live._processor.reset()
    live._processor._detector.faces = (face(20, 20),)
    live.frame(frame(), arrived=module.HISTORY_SECONDS + 5)
    assert list(live._history) == [2]


def test_only_the_newest_of_several_waiting_frames_is_worked_on(live):
    waiting = []
    for i in range(4):
        item = av.VideoFrame.from_ndarray(frame(i), format="rgb24")
        item.pts, item.time_base = 3000 * i, Fraction(1, 90_000)
        waiting.append(item)
    with ThreadPoolExecutor(1) as media_thread:  # as in the app; this thread may have a loop of its own
        (shown,) = media_thread.submit(lambda: asyncio.run(frames_callback(live)(waiting))).result()
    assert shown.pts == 9000
    assert live.frames == 1
    assert live.stats().dropped == 3


def test_stop_may_come_while_frames_come(live, workspace):
    faults: list[BaseException] = []

    def play() -> None:
        try:
            for i in range(40):
                live.frame(frame(i % 3), arrived=i / 30)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    for _ in range(10):
        live.start_recording(workspace)
        with suppress(FerError):  # the picture may just have been forgotten
            live.snapshot(workspace)
        live.stop()
    thread.join(timeout=60)
    assert not faults
    assert not thread.is_alive()


def test_a_model_of_other_classes_begins_its_own_history_and_its_own_table(workspace):
    first, other = FakeClassifier(np.zeros(7)), FakeClassifier([2.0, 1.0], labels=("smile", "frown"))
    live = LiveSession(first, processor=LiveProcessor(first, FakeDetector([face(100, 60)])))
    path = live.start_recording(workspace)
    picture = np.zeros((240, 320, 3), np.uint8)
    now = clock.monotonic()
    live.frame(picture, arrived=now)
    live.use(other)
    live.frame(picture, arrived=now + 0.1)
    assert live.error is None
    assert live.classes().names == ("smile", "frown")
    assert [probabilities.shape for _, probabilities in live.history().values()] == [(1, 2)]
    live.stop_recording()
    headers = [
        table.read_text(encoding="utf-8-sig").splitlines()[0]
        for table in (path.with_suffix(".csv"), path.with_name(path.stem + " 2.csv"))
    ]
    assert headers[0].endswith("surprise,neutral,sensitivity")
    assert headers[1].endswith("abstained,smile,frown,sensitivity")
