from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fer_core.errors import ImageError
from fer_core.inference import Classifier
from fer_core.live.media.hdr import hlg_luminance, pq_luminance, pq_signal, tone_map
from fer_core.live.media.reader import VideoReader
from tests.core.live.media.clips import annotate, bug, ffmpeg, frames_of, needs_ffmpeg, rows_of, spot, write
from tests.factories import untrained_checkpoint


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


def damaged(source: Path, target: Path, *numbers: int) -> Path:
    """Copy a video and overwrite the data of some of its packets."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(reader.demux(video=0)):
            if packet.dts is None:
                continue
            copy = av.Packet(b"\x00" * packet.size if number in numbers else bytes(packet))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.duration, copy.is_keyframe, copy.stream = packet.duration, packet.is_keyframe, stream
            writer.mux(copy)
    return target


@pytest.mark.parametrize("codec", ["png", "mjpeg"])
@pytest.mark.parametrize("numbers", [(4, 5), (0,), (0, 1, 8), (9,)])
def test_packets_that_cannot_be_decoded_are_skipped_counted_and_reported(tmp_path, classifier, codec, numbers):
    whole = write(tmp_path / "whole.mov", [spot(160, 120)] * 10, codec=codec)
    source = damaged(whole, tmp_path / "in.mov", *numbers)
    result = annotate(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    assert result.frames == 10 - len(numbers)
    assert result.skipped_packets == len(numbers)
    assert result.to_dict()["skipped_packets"] == len(numbers)
    assert f"{len(numbers)} of 10 video packets could not be decoded and were skipped." in result.notes
    kept = [i / 25 for i in range(10) if i not in numbers]
    assert [float(row["time"]) for row in rows_of(tmp_path / "t.csv")] == pytest.approx(kept, abs=1e-3)
    assert len(frames_of(tmp_path / "out.mp4")) == len(kept)


def test_an_h264_video_whose_first_frame_is_bad_is_read_from_the_next_key_frame(tmp_path, classifier):
    with av.open(str(tmp_path / "whole.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(spot(160, 120), format="rgb24")))
        container.mux(stream.encode(None))
    source = damaged(tmp_path / "whole.mp4", tmp_path / "in.mp4", 0)
    result = annotate(source, None, tmp_path / "t.csv", classifier)
    assert 15 <= result.frames <= 20
    assert float(rows_of(tmp_path / "t.csv")[-1]["time"]) == pytest.approx(19 / 25, abs=1e-3)


def test_a_video_without_one_good_packet_is_refused_in_a_sentence(tmp_path, classifier):
    whole = write(tmp_path / "whole.mov", [spot(160, 120)] * 3, codec="png")
    source = damaged(whole, tmp_path / "in.mov", 0, 1, 2)
    with pytest.raises(ImageError, match=r"no frame that can be decoded \(3 video packets\)"):
        annotate(source, tmp_path / "out.mp4", None, classifier)
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_without_a_video_is_named_as_what_it_is(tmp_path, classifier):
    for name, words in [
        ("audio_only.mp4", "only sound. Choose a video"),
        ("music_with_cover.m4a", "only sound and a cover image"),
    ]:
        with pytest.raises(ImageError, match=f"not a video: it contains {words}"):
            annotate(bug(name), tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    assert not (tmp_path / "out.mp4").exists()
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.bmp", "in.webp", "in.avif", "in.mp4"])
def test_an_image_is_no_video_of_one_frame(tmp_path, classifier, name):
    kind = "PNG" if name == "in.mp4" else None  # told apart by content
    Image.fromarray(spot(160, 120)).save(tmp_path / name, format=kind)
    with pytest.raises(ImageError, match="is an image, not a video"):
        annotate(tmp_path / name, None, None, classifier)


@needs_ffmpeg
def test_a_stream_of_jpegs_is_a_video(tmp_path, classifier):
    write(tmp_path / "plain.avi", [spot(160, 120)] * 4, codec="mjpeg")
    ffmpeg("-i", tmp_path / "plain.avi", "-c", "copy", tmp_path / "in.mjpeg")
    assert annotate(tmp_path / "in.mjpeg", None, None, classifier).frames == 4


@needs_ffmpeg
def test_repeated_frames_of_theora_are_not_counted_as_damaged(tmp_path, classifier):
    write(tmp_path / "plain.mp4", [spot(160, 120)] * 10)
    ffmpeg("-i", tmp_path / "plain.mp4", "-c:v", "libtheora", tmp_path / "in.ogv")
    result = annotate(tmp_path / "in.ogv", None, None, classifier)
    assert result.frames >= 1
    assert (result.skipped_packets, result.notes) == (0, [])


@needs_ffmpeg
def test_a_cover_before_the_video_is_ignored(tmp_path, classifier):
    Image.fromarray(spot(640, 480)).save(tmp_path / "cover.png")
    write(tmp_path / "plain.mp4", [spot(160, 120)] * 5)
    streams = ["-i", tmp_path / "cover.png", "-i", tmp_path / "plain.mp4", "-map", 0, "-map", 1]
    ffmpeg(*streams, "-c", "copy", "-disposition:v:0", "attached_pic", tmp_path / "in.mp4")
    result = annotate(tmp_path / "in.mp4", None, None, classifier)
    assert (result.frames, result.width, result.height) == (5, 160, 120)
    assert result.notes == []


@needs_ffmpeg
@pytest.mark.parametrize(("default", "size"), [(None, (320, 240)), (0, (160, 120)), (1, (320, 240))])
def test_of_several_video_streams_a_default_one_is_read_and_of_these_the_largest(tmp_path, classifier, default, size):
    write(tmp_path / "small.mp4", [spot(160, 120)] * 3)
    write(tmp_path / "large.mp4", [spot(320, 240)] * 3)
    marks = [item for i in (0, 1) for item in (f"-disposition:v:{i}", "default" if default == i else 0)]
    inputs = ["-i", tmp_path / "small.mp4", "-i", tmp_path / "large.mp4", "-map", 0, "-map", 1]
    ffmpeg(*inputs, "-c", "copy", *marks, tmp_path / "in.mkv")
    result = annotate(tmp_path / "in.mkv", None, None, classifier)
    assert (result.width, result.height) == size
    assert any(f"2 video streams; the {size[0]}×{size[1]} one" in note for note in result.notes)


# --- HDR


def hdr_video(path: Path, transfer: int, signal: float) -> Path:
    """A 10-bit BT.2020 video of one gray level, given as the signal 0…1."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, 9, 1
        planes = [np.full((120, 160), 64 + signal * 876), np.full((60, 160), 512)]
        pixels = np.concatenate(planes).round().astype(np.uint16)
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p10le")
            frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, 9, 9, 1
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("transfer", "name", "signal"), [(16, "PQ", 0.508), (18, "HLG", 0.5)])
def test_hdr_is_tone_mapped_to_sdr_and_noted(tmp_path, classifier, transfer, name, signal):
    """100 cd/m² (PQ) and 51 cd/m² (HLG) keep nearly their share of SDR white, 203 cd/m²."""
    source = hdr_video(tmp_path / "in.mp4", transfer, signal)
    result = annotate(source, tmp_path / "out.mp4", None, classifier)
    assert f"The video is HDR ({name}); it was tone-mapped to SDR." in result.notes
    luminance = pq_luminance(np.array(signal)) if name == "PQ" else hlg_luminance(np.array(signal))
    expected = 255 * (1.055 * (float(luminance) / 203) ** (1 / 2.4) - 0.055)
    assert np.median(frames_of(tmp_path / "out.mp4")[0]) == pytest.approx(expected, abs=6)


def test_luminances_of_hdr_signals_are_those_of_the_standards():
    """ITU-R BT.2408: 203 cd/m² is a PQ signal of 58 % and an HLG signal of 75 %; BT.2100: 10,000 cd/m² is 100 %."""
    assert float(pq_luminance(np.array(0.5807))) == pytest.approx(203, rel=0.01)
    assert float(pq_luminance(np.array(1.0))) == pytest.approx(10_000)
    assert float(pq_signal(np.array(1000.0))) == pytest.approx(0.7518, abs=1e-4)
    assert float(hlg_luminance(np.array(0.75))) == pytest.approx(203, rel=0.01)
    assert float(hlg_luminance(np.array(1.0))) == pytest.approx(1000, rel=1e-3)


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_tone_mapping_keeps_gray_gray_and_the_order_of_brightness(transfer):
    ramp = np.linspace(0, 65535, 400).round().astype(np.uint16)
    mapped = tone_map(np.repeat(ramp[None, :, None], 3, axis=2), transfer)
    assert np.ptp(mapped.astype(int), axis=2).max() <= 1
    assert np.diff(mapped[0, :, 0].astype(int)).min() >= 0
    assert (mapped[0, 0, 0], mapped[0, -1, 0]) == (0, 255)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{other}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile {other}\n"),
        ("list.mpd", '<MPD profiles="urn:mpeg:dash:profile:isoff-live:2011"><BaseURL>{other}</BaseURL></MPD>'),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
    ],
)
def test_a_playlist_that_names_another_file_reads_nothing_of_it(tmp_path, name, content):
    other = tmp_path / "other.ts"
    with av.open(str(other), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(spot(160, 120), format="rgb24")))
        container.mux(stream.encode(None))
    with VideoReader(other) as reader:
        assert sum(1 for _ in reader.container.decode(video=0)) == 5
    path = tmp_path / name
    path.write_text(content.format(other=other.name))
    with pytest.raises(ImageError, match="is not a video that can be read"), VideoReader(path):
        pass
