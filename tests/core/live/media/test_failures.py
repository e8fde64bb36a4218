"""The disk is blamed only for what the disk did."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import av
import numpy as np
import pytest

from fer_core.config import LiveConfig
from fer_core.errors import WorkspaceError
from fer_core.inference import Classifier
from fer_core.live import LiveProcessor, LiveSession
from fer_core.live.media.failures import write_error
from fer_core.live.media.writer import VideoWriter
from tests.core.live.media.clips import annotate, spot, write
from tests.core.live.test_live import FakeDetector, face, frame
from tests.factories import untrained_checkpoint


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


def failing(number: int):
    def add(*_: object) -> None:
        raise av.error.OSError(number, os.strerror(number))

    return add


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path, classifier, monkeypatch, number):
    source = write(tmp_path / "in.mp4", [spot(160, 120)] * 3)
    monkeypatch.setattr(VideoWriter, "add", failing(number))
    with pytest.raises(WorkspaceError, match="Free some space"):
        annotate(source, tmp_path / "out.mp4", None, classifier)
    assert sorted(p.name for p in tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ERANGE, errno.EACCES, errno.EIO])
def test_other_failures_are_not_blamed_on_the_space_of_the_disk(tmp_path, classifier, monkeypatch, number):
    source = write(tmp_path / "in.mp4", [spot(160, 120)] * 3)
    monkeypatch.setattr(VideoWriter, "add", failing(number))
    with pytest.raises(WorkspaceError) as caught:
        annotate(source, tmp_path / "out.mp4", None, classifier)
    assert "Free some space" not in str(caught.value)
    assert os.strerror(number) in str(caught.value)


@pytest.mark.parametrize(("number", "blamed"), [(errno.ENOSPC, True), (errno.EINVAL, False)])
def test_a_recording_that_fails_gives_the_cause(classifier, workspace, monkeypatch, number, blamed):
    live = LiveSession(classifier, processor=LiveProcessor(classifier, FakeDetector([face(100, 60)])))
    live.start_recording(workspace)
    monkeypatch.setattr(VideoWriter, "add", failing(number))
    live.frame(frame())
    assert live.error.startswith("The recording stopped. ")
    assert ("Free some space" in live.error) == blamed


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    error = write_error(Path("/x/out.mp4"), PermissionError(errno.EACCES, "Permission denied"))
    assert str(error) == "/x/out.mp4 could not be written: Permission denied. Choose a folder you may write to."


# --- recordings of the webcam: size, orientation, mirror


def test_a_camera_that_turns_while_it_is_recorded_is_letterboxed_into_the_first_size(classifier, workspace):
    from tests.core.live.media.clips import SpotDetector, frames_of, rows_of

    config = LiveConfig(mirror=False, bars=False, detect_every=1)
    live = LiveSession(classifier, config, processor=LiveProcessor(classifier, SpotDetector(), config))
    path = live.start_recording(workspace)
    for number, image in enumerate([spot(320, 240)] * 3 + [spot(240, 320)] * 3):
        live.frame(image, arrived=100 + number / 25)
    assert live.error is None
    live.stop_recording()
    images = frames_of(path)
    assert {image.shape for image in images} == {(240, 320, 3)}
    assert images[-1][:, :60].max() < 40  # the bar at the left
    rows = rows_of(path.with_suffix(".csv"))
    assert [float(rows[0][name]) for name in ("x", "y", "width", "height")] == pytest.approx([53, 30, 106, 60], abs=2)
    # 240×320 is scaled by 0.75 to 180×240 and starts at 70
    expected = [70 + 0.75 * 40, 0.75 * 40, 0.75 * 80, 0.75 * 80]
    assert [float(rows[-1][name]) for name in ("x", "y", "width", "height")] == pytest.approx(expected, abs=2)


def test_the_boxes_of_a_mirrored_recording_are_those_of_the_recording(classifier, workspace):
    from tests.core.live.media.clips import SpotDetector, frames_of, rows_of

    config = LiveConfig(mirror=True, bars=False, detect_every=1)
    live = LiveSession(classifier, config, processor=LiveProcessor(classifier, SpotDetector(), config))
    path = live.start_recording(workspace)
    live.frame(spot(320, 240), arrived=100)
    live.configure(config.model_copy(update={"mirror": False}))
    live.frame(spot(320, 240), arrived=100.1)
    live.stop_recording()
    left = [float(row["x"]) for row in rows_of(path.with_suffix(".csv"))]
    assert left == pytest.approx([320 - 53 - 106, 53], abs=1)
    for image, x in zip(frames_of(path), left, strict=True):
        columns = np.flatnonzero(image[75].min(axis=1) > 200)
        assert (columns.min(), columns.max()) == pytest.approx((x, x + 106), abs=6)
