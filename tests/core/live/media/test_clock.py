"""One origin of time: sound, frames, the table and the copy agree, whatever the timestamps of the source."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from fer_core.live.media.clock import SharedClock
from tests.core.live.media.clips import (
    FLASH,
    annotate,
    beep_time,
    ffmpeg,
    flash_and_beep,
    flash_time,
    needs_ffmpeg,
    rows_of,
    spot,
    times_of,
    write,
)  # fmt: skip


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("late", "name", "sound", "flash", "beep", "ending"),
    [
        ((0.0, 0.0), "in.mp4", "aac", FLASH, FLASH, "mp4"),
        ((0.0, 0.6), "in.mp4", "aac", FLASH, FLASH + 0.6, "mp4"),
        ((0.6, 0.0), "in.mp4", "aac", FLASH + 0.6, FLASH, "mov"),
        ((0.6, 0.0), "in.mkv", "libopus", FLASH + 0.6, FLASH, "mp4"),
        ((0.0, 0.6), "in.mkv", "libopus", FLASH, FLASH + 0.6, "m4v"),
        ((100.0, 100.0), "in.ts", "aac", FLASH, FLASH, "mp4"),
        ((100.6, 100.0), "in.ts", "mp2", FLASH + 0.6, FLASH, "m4v"),
        ((100.0, 100.6), "in.ts", "mp2", FLASH, FLASH + 0.6, "mp4"),
    ],
)
def test_sound_frames_table_and_copy_share_one_origin(tmp_path, classifier, late, name, sound, flash, beep, ending):
    plain = flash_and_beep(tmp_path / "plain.mkv", "-bf", 0, sound=sound)
    offsets = ["-itsoffset", late[0], "-i", plain, "-itsoffset", late[1], "-i", plain]
    source = tmp_path / name
    ffmpeg(*offsets, "-map", "0:v", "-map", "1:a", "-c", "copy", "-muxdelay", 0, "-muxpreload", 0, "-copyts", source)
    copy, table = tmp_path / f"out.{ending}", tmp_path / "t.csv"
    result = annotate(source, copy, table, classifier)
    assert result.frames == 50
    assert flash_time(copy) == pytest.approx(flash, abs=0.03)
    assert beep_time(copy) == pytest.approx(beep, abs=0.03)
    assert float(rows_of(table)[0]["time"]) == pytest.approx(flash, abs=0.03)  # the flash is the first "face"


@needs_ffmpeg
def test_a_clock_that_jumps_back_continues_with_an_offset(tmp_path, classifier):
    for number in (0, 1):
        flash_and_beep(tmp_path / f"{number}.ts", "-bf", 0, "-output_ts_offset", 7 * number, seconds=2)
    parts = [(tmp_path / f"{number}.ts").read_bytes() for number in (1, 0, 1)]  # 7 s, back to 0 s, forward to 7 s
    (tmp_path / "in.ts").write_bytes(b"".join(parts[:2]))
    result = annotate(tmp_path / "in.ts", tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    assert result.frames == 100
    assert any("timestamps of the file jump once" in note for note in result.notes)
    times = times_of(tmp_path / "out.mp4")
    assert max(np.diff(times)) < 0.15  # no gap
    rows = [float(row["time"]) for row in rows_of(tmp_path / "t.csv")]
    assert rows[0] == pytest.approx(flash_time(tmp_path / "out.mp4"), abs=0.01)
    assert beep_time(tmp_path / "out.mp4") == pytest.approx(rows[0], abs=0.06)
    second = [time for time in rows if time > 2.1]
    assert second[0] - rows[0] == pytest.approx(2.0, abs=0.1)


@needs_ffmpeg
def test_a_splice_of_a_transport_stream_to_a_much_later_clock_leaves_no_gap(tmp_path, classifier):
    for number in (0, 1):
        flash_and_beep(tmp_path / f"{number}.ts", "-bf", 0, "-output_ts_offset", 3600 * number, seconds=2)
    (tmp_path / "in.ts").write_bytes((tmp_path / "0.ts").read_bytes() + (tmp_path / "1.ts").read_bytes())
    result = annotate(tmp_path / "in.ts", None, tmp_path / "t.csv", classifier)
    assert result.frames == 100
    assert result.seconds < 4.5


def test_a_long_pause_in_other_containers_stays_a_pause(tmp_path, classifier):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for pts in (0, 1, 500):
            frame = av.VideoFrame.from_ndarray(spot(160, 120), format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    annotate(tmp_path / "in.mkv", None, tmp_path / "t.csv", classifier)
    assert [float(row["time"]) for row in rows_of(tmp_path / "t.csv")] == pytest.approx([0, 0.04, 20], abs=0.01)


def test_frames_with_a_time_of_their_own_keep_it_without_sound(tmp_path, classifier):
    source = write(tmp_path / "in.ts", [spot(160, 120)] * 5)  # starts at 1.4 s, and with B-frames
    annotate(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    expected = pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-3)
    assert [float(row["time"]) for row in rows_of(tmp_path / "t.csv")] == expected
    assert times_of(tmp_path / "out.mp4") == expected


# --- the clock alone


def stamps(clock: SharedClock, *packets: tuple[int, float]) -> list[float]:
    """Times on the shared axis of packets (stream, timestamp) of 0.1 s each."""
    return [round(stamp + clock.offset(stream, stamp, 0.1), 6) for stream, stamp in packets]


def test_both_streams_get_the_same_offset_after_a_jump():
    clock = SharedClock(10.0)
    before = stamps(clock, (0, 10.0), (1, 10.02), (0, 10.1), (1, 10.12))
    assert before == [0, 0.02, 0.1, 0.12]
    assert stamps(clock, (0, 5.0), (1, 5.02), (0, 5.1)) == [0.22, 0.24, 0.32]
    assert clock.jumps == 1


def test_the_last_packets_of_a_part_may_come_after_the_first_of_the_next():
    clock = SharedClock(10.0)
    stamps(clock, (0, 10.0), (1, 10.0), (0, 11.0))
    assert stamps(clock, (0, 2.0), (1, 10.9), (1, 2.0)) == [1.1, 0.9, 1.1]
    assert clock.jumps == 1


def test_small_steps_back_are_no_jump():
    clock = SharedClock(0.0)
    assert stamps(clock, (0, 0.0), (0, 0.2), (0, 0.15), (0, 0.3)) == [0, 0.2, 0.15, 0.3]
    assert clock.jumps == 0
