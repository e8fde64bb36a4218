from __future__ import annotations

import av
import numpy as np
import pytest

from tests.core.live.media.clips import (
    FLASH,
    annotate,
    beep_time,
    bug,
    ffmpeg,
    flash_and_beep,
    flash_time,
    needs_ffmpeg,
    spot,
    write,
)  # fmt: skip


def sound_of(path) -> str | None:
    """Codec of the sound of a file by its canonical name."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        return streams[0].codec_context.codec.canonical_name if streams else None


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("container", "sound", "ending", "expected", "note"),
    [
        ("webm", "libopus", "mp4", "opus", None),
        (
            "webm",
            "libopus",
            "m4v",
            "aac",
            "The sound (Opus) was converted to AAC, because .m4v files cannot contain Opus.",
        ),
        (
            "webm",
            "libopus",
            "mov",
            "aac",
            "The sound (Opus) was converted to AAC, because .mov files cannot contain Opus.",
        ),
        ("mp4", "libmp3lame", "mp4", "mp3", None),
        ("mp4", "libmp3lame", "m4v", "aac", "The sound (MP3) was converted to AAC"),
        ("mov", "pcm_s16le", "mov", "pcm_s16le", None),
        ("mov", "pcm_s16le", "m4v", "aac", "The sound (PCM) was converted to AAC"),
        ("asf", "wmav2", "mp4", "aac", "The sound (WMA) was converted to AAC"),
        ("ts", "aac", "mp4", "aac", None),
    ],
)
def test_sound_is_copied_where_the_container_takes_it_and_converted_where_not(
    tmp_path, classifier, container, sound, ending, expected, note
):
    video = ["-c:v", "libvpx", "-deadline", "realtime"] if container == "webm" else ["-bf", 0]
    source = flash_and_beep(tmp_path / f"in.{container}", *video, sound=sound)
    copy = tmp_path / f"out.{ending}"
    result = annotate(source, copy, None, classifier)
    assert sound_of(copy) == expected
    assert result.notes == [] if note is None else any(note in text for text in result.notes)
    assert beep_time(copy) - flash_time(copy) == pytest.approx(beep_time(source) - flash_time(source), abs=0.03)
    assert beep_time(copy) == pytest.approx(FLASH, abs=0.08)


@pytest.mark.parametrize(
    ("name", "ending", "expected"),
    [("browser_recording_opus.webm", "mp4", "opus"), ("browser_recording_opus.webm", "m4v", "aac"),
     ("browser_recording_opus.webm", "mov", "aac"), ("mp3_sound.mp4", "mp4", "mp3")],
)  # fmt: skip
def test_reported_files_keep_their_sound(tmp_path, classifier, name, ending, expected):
    result = annotate(bug(name), tmp_path / f"out.{ending}", None, classifier)
    assert result.frames == 75
    assert sound_of(tmp_path / f"out.{ending}") == expected


@needs_ffmpeg
def test_surround_sound_of_an_odd_rate_is_converted_to_stereo(tmp_path, classifier):
    tone = "sine=frequency=440:sample_rate=48000:duration=1,aformat=sample_rates=37800:channel_layouts=5.1"
    write(tmp_path / "plain.mp4", [spot(160, 120)] * 25)
    streams = ["-f", "lavfi", "-i", tone, "-i", tmp_path / "plain.mp4", "-map", 1, "-map", 0]
    ffmpeg(*streams, "-c:v", "copy", "-c:a", "pcm_s16le", tmp_path / "in.mkv")
    annotate(tmp_path / "in.mkv", tmp_path / "out.m4v", None, classifier)
    with av.open(str(tmp_path / "out.m4v")) as container:
        context = container.streams.audio[0].codec_context
        assert (context.name, context.layout.name, context.rate) == ("aac", "stereo", 32_000)
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples / 32_000 == pytest.approx(1.0, abs=0.07)


@needs_ffmpeg
def test_a_gap_in_converted_sound_becomes_silence(tmp_path, classifier):
    """Packets between 0.3 s and 0.8 s are missing; the beep after them stays where it was."""
    source = flash_and_beep(tmp_path / "plain.mkv", "-bf", 0, sound="pcm_s16le")
    with av.open(str(source)) as reader, av.open(str(tmp_path / "in.mkv"), "w") as writer:
        streams = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
        for packet in reader.demux():
            missing = packet.stream.type == "audio" and packet.pts is not None and 300 < packet.pts < 800
            if packet.dts is not None and not missing:
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
    annotate(tmp_path / "in.mkv", tmp_path / "out.m4v", None, classifier)
    assert beep_time(tmp_path / "out.m4v") == pytest.approx(FLASH, abs=0.03)


@needs_ffmpeg
def test_damaged_sound_packets_are_skipped_and_reported(tmp_path, classifier):
    source = flash_and_beep(tmp_path / "plain.mkv", "-bf", 0, sound="flac")
    with av.open(str(source)) as reader, av.open(str(tmp_path / "in.mkv"), "w") as writer:
        streams = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
        for number, packet in enumerate(reader.demux()):
            if packet.dts is None:
                continue
            bad = packet.stream.type == "audio" and number < 12
            copy = av.Packet(bytes(np.full(packet.size, 7, np.uint8)) if bad else bytes(packet))
            copy.pts, copy.dts, copy.duration, copy.time_base = (
                packet.pts,
                packet.dts,
                packet.duration,
                packet.time_base,
            )
            copy.is_keyframe, copy.stream = packet.is_keyframe, streams[packet.stream.index]
            writer.mux(copy)
    result = annotate(tmp_path / "in.mkv", tmp_path / "out.m4v", None, classifier)
    assert result.frames == 50
    assert any("sound packets could not be read and were skipped" in note for note in result.notes)
    assert beep_time(tmp_path / "out.m4v") == pytest.approx(FLASH, abs=0.03)


@pytest.mark.slow
@needs_ffmpeg
def test_sound_that_starts_long_before_the_video_is_complete(tmp_path, classifier):
    """20 s of AAC are more than 900 packets before the first frame."""
    plain = flash_and_beep(tmp_path / "plain.mp4", "-bf", 0, seconds=22)
    ffmpeg("-itsoffset", 20, "-i", plain, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "in.mp4")
    annotate(tmp_path / "in.mp4", tmp_path / "out.mp4", None, classifier)
    assert beep_time(tmp_path / "out.mp4") == pytest.approx(FLASH, abs=0.03)
    assert flash_time(tmp_path / "out.mp4") == pytest.approx(FLASH + 20, abs=0.03)


def test_sound_that_can_be_neither_copied_nor_converted_is_omitted_with_a_note(tmp_path, classifier, monkeypatch):
    import fer_core.live.media.sound as module

    def refuse(*_: object) -> None:
        raise ValueError("no encoder")

    monkeypatch.setattr(module, "_EncodedSound", refuse)
    result = annotate(bug("mp3_sound.mp4"), tmp_path / "out.m4v", None, classifier)
    assert "The sound (MP3) was omitted: it can be neither copied to an .m4v file nor converted to AAC." in result.notes
    assert sound_of(tmp_path / "out.m4v") is None
    assert result.frames == 75
