from __future__ import annotations

import av
import numpy as np
import pytest

from fer_core.live.media.writer import VideoWriter


def picture(width: int, height: int, gray: int = 0) -> np.ndarray:
    return np.full((height, width, 3), gray, np.uint8)


def read(path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@pytest.mark.parametrize("live", [False, True])
def test_pictures_come_back_with_their_times(tmp_path, live):
    path = tmp_path / "a.mp4"
    writer = VideoWriter(path, 64, 48, live=live)
    for number, seconds in enumerate((0, 0.04, 0.5)):
        writer.add(picture(64, 48, 60 * number), seconds)
    writer.finish()
    found = read(path)
    assert [time for time, _ in found] == pytest.approx([0, 0.04, 0.5], abs=1e-4)
    assert [pixels.mean() for _, pixels in found] == pytest.approx([0, 60, 120], abs=4)


def test_an_odd_side_grows_by_a_pixel_and_other_sizes_are_letterboxed(tmp_path):
    path = tmp_path / "a.mp4"
    writer = VideoWriter(path, 63, 47)
    assert writer.size == (63, 47)
    writer.add(picture(63, 47, 200), 0)
    writer.add(picture(200, 20, 200), 0.1)
    writer.finish()
    (_, first), (_, second) = read(path)
    assert first.shape == second.shape == (48, 64, 3)
    assert first[:, -1].mean() == pytest.approx(200, abs=4)  # the edge is repeated and not black
    assert second[22:26, :60].mean() == pytest.approx(200, abs=8)
    assert second[:16].max() < 40


def test_two_pictures_of_one_moment_are_both_kept(tmp_path):
    path = tmp_path / "a.mp4"
    writer = VideoWriter(path, 64, 48)
    for seconds in (0, 0.1, 0.1, 0.05):
        writer.add(picture(64, 48), seconds)
    writer.finish()
    times = [time for time, _ in read(path)]
    assert len(times) == 4
    assert times == sorted(set(times))


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path):
    writer = VideoWriter(tmp_path / "nowhere" / "a.mp4", 64, 48)
    with pytest.raises((OSError, av.FFmpegError)):
        write(writer, frames=60)
    writer.close()


def write(writer: VideoWriter, frames: int) -> None:
    for number in range(frames):
        writer.add(picture(64, 48), number / 30)
