from __future__ import annotations

import itertools
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fer_core.config import LiveConfig
from fer_core.data.synthetic import draw_face
from fer_core.errors import FerError, ImageError
from fer_core.inference import Classifier
from fer_core.live import LiveProcessor
from fer_core.live import video as module
from fer_core.live.video import annotate_video, read_timeline
from tests.core.live.media.clips import frames_of, rows_of, times_of
from tests.core.live.test_live import FakeDetector, face
from tests.factories import untrained_checkpoint


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


@pytest.fixture
def processor(classifier) -> LiveProcessor:
    return LiveProcessor(classifier, FakeDetector([face(20, 30)]), LiveConfig(mirror=False))


def make_video(
    path: Path,
    frames: int = 20,
    width: int = 160,
    height: int = 120,
    sound: bool = False,
    times: list[float] | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4" if width % 2 or height % 2 else "libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=44100) if sound else None
        rng = np.random.default_rng(0)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(
                rng.integers(0, 256, (height, width, 3)).astype(np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = round(1000 * (times[i] if times else i / 25)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
            if audio:
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 1764), np.float32), format="fltp", layout="mono")
                tone.sample_rate, tone.pts = 44100, 1764 * i
                container.mux(audio.encode(tone))
        for s in filter(None, (stream, audio)):
            container.mux(s.encode(None))
    return path


def test_a_video_gives_an_annotated_copy_and_a_row_for_each_face(tmp_path, classifier, processor):
    source = make_video(tmp_path / "in.mp4")
    result = annotate_video(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier, processor=processor)
    assert (result.frames, result.tracks, result.faces, result.stopped) == (20, 1, 20, False)
    assert len(frames_of(tmp_path / "out.mp4")) == 20
    rows = rows_of(tmp_path / "t.csv")
    assert len(rows) == 20
    assert {row["track"] for row in rows} == {"1"}
    assert sum(float(rows[0][label]) for label in classifier.labels) == pytest.approx(1, abs=1e-3)
    assert [float(row["time"]) for row in rows] == pytest.approx([i / 25 for i in range(20)], abs=1e-3)


def test_the_sensitivity_stands_in_the_copy_and_in_each_row(tmp_path):
    own = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", prior=(1 / 7,) * 7), sensitivity=0.4)
    processor = LiveProcessor(own, FakeDetector([face(20, 30)]), LiveConfig(mirror=False))
    source = make_video(tmp_path / "in.mp4")
    annotate_video(source, tmp_path / "out.mp4", tmp_path / "t.csv", own, processor=processor)
    assert {row["sensitivity"] for row in rows_of(tmp_path / "t.csv")} == {"0.4"}
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["comment"] == "Sensitivity 0.4"


def test_the_sound_is_kept(tmp_path, classifier, processor):
    source = make_video(tmp_path / "in.mp4", sound=True)
    annotate_video(source, tmp_path / "out.mp4", None, classifier, processor=processor)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(audio=0)) > 10


def test_frames_keep_their_own_times(tmp_path, classifier, processor):
    times = [0, 0.04, 0.5, 0.52, 1.3]
    source = make_video(tmp_path / "in.mp4", frames=5, times=times)
    annotate_video(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier, processor=processor)
    assert times_of(tmp_path / "out.mp4") == pytest.approx(times, abs=0.01)
    assert [float(row["time"]) for row in rows_of(tmp_path / "t.csv")] == pytest.approx(times, abs=0.01)


def test_odd_sizes_are_handled(tmp_path, classifier, processor):
    source = make_video(tmp_path / "in.avi", width=161, height=121)
    annotate_video(source, tmp_path / "out.mp4", None, classifier, processor=processor)
    assert frames_of(tmp_path / "out.mp4")[0].shape == (122, 162, 3)


def test_cancelling_leaves_valid_files(tmp_path, classifier, processor):
    source, seen = make_video(tmp_path / "in.mp4"), []

    def stop() -> bool:
        seen.append(1)
        return len(seen) == 7

    result = annotate_video(
        source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier, processor=processor, should_stop=stop
    )
    assert result.stopped
    assert len(frames_of(tmp_path / "out.mp4")) == 7
    assert len(rows_of(tmp_path / "t.csv")) == 7


def test_a_replay_gives_the_same_table_twice(tmp_path, classifier):
    source = make_video(tmp_path / "in.mp4")
    for name in ("a.csv", "b.csv"):
        processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]), LiveConfig(mirror=False))
        annotate_video(source, None, tmp_path / name, classifier, processor=processor)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_replay_of_faces_that_move_come_and_go_gives_the_same_table_twice(tmp_path):
    """With the real detector, tracker, smoothing and shipped network."""
    rng = np.random.default_rng(3)
    faces = [draw_face(emotion, rng, size=120) for emotion in ("happy", "surprise")]
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for step in range(40):
            canvas = np.full((240, 320), 96, np.uint8)
            for index, drawn in enumerate(faces[: 0 if 18 <= step < 24 else 2]):
                x, y = 15 + 160 * index + step // 2, 60 + step // 4
                canvas[y : y + 120, x : x + 120] = drawn[:, : 320 - x]
            frame = av.VideoFrame.from_ndarray(np.repeat(canvas[..., None], 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    classifier = Classifier.load("seed")
    for name in ("a.csv", "b.csv"):
        result = annotate_video(tmp_path / "in.mp4", None, tmp_path / name, classifier)
    assert result.frames == 40
    assert result.faces > 50
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_video_filmed_upright_comes_out_upright(tmp_path, classifier, degrees):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which writes the rotation into the file, is not installed")
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        pixels = np.zeros((120, 160, 3), np.uint8)
        pixels[:40, :60] = 230  # one corner, so that every turn and mirroring shows
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    turned, upright = tmp_path / "turned.mp4", tmp_path / "upright.png"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-i"]
    turn = ["-c", "copy", "-metadata:s:v", f"rotate={degrees}"]
    subprocess.run([*ffmpeg, str(tmp_path / "in.mp4"), *turn, str(turned)], check=True, timeout=60)
    subprocess.run([*ffmpeg, str(turned), "-frames:v", "1", str(upright)], check=True, timeout=60)
    with Image.open(upright) as image:
        expected = np.asarray(image.convert("RGB"))
    seen = []
    processor = LiveProcessor(classifier, FakeDetector([]), LiveConfig(mirror=False))
    annotate_video(
        turned,
        tmp_path / "out.mp4",
        None,
        classifier,
        processor=processor,
        on_progress=lambda p: seen.append(p.preview),
    )
    assert expected.shape == ((160, 120, 3) if degrees in (90, 270) else (120, 160, 3))
    assert seen[0].shape == expected.shape
    assert np.abs(seen[0].astype(int) - expected).mean() < 3
    assert frames_of(tmp_path / "out.mp4")[0].shape == expected.shape


def test_a_truncated_video_gives_what_it_holds_and_says_so_or_is_refused(tmp_path, classifier, processor):
    data = make_video(tmp_path / "in.avi", frames=40, width=161).read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    result = annotate_video(tmp_path / "cut.avi", tmp_path / "out.mp4", None, classifier, processor=processor)
    assert 0 < result.frames < 40
    assert len(frames_of(tmp_path / "out.mp4")) == result.frames


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=44100)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        tone.sample_rate, tone.pts = 44100, 0
        container.mux(audio.encode(tone))
        container.mux(audio.encode(None))
    return path


def test_a_video_of_no_length_is_refused_in_a_sentence(tmp_path, classifier, processor):
    """A stream of pictures is announced, but there is none."""
    data = make_video(tmp_path / "whole.avi", frames=2, width=161).read_bytes()
    (tmp_path / "none.avi").write_bytes(data[: data.index(b"movi") + 4])
    with pytest.raises(ImageError, match=r"contains no frame that can be decoded|is not a video"):
        annotate_video(tmp_path / "none.avi", tmp_path / "o.mp4", tmp_path / "t.csv", classifier, processor=processor)
    assert not (tmp_path / "o.mp4").exists()


def test_what_is_no_video_is_refused_in_a_sentence_and_writes_nothing(tmp_path, classifier, processor):
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    cut = make_video(tmp_path / "whole.mp4").read_bytes()[:200]
    (tmp_path / "cut.mp4").write_bytes(cut)
    sound_only(tmp_path / "sound.mp4")
    out = tmp_path / "out"
    for name, words in [
        ("text", "not a video"),
        ("empty", "not a video"),
        ("cut", "not a video"),
        ("sound", "only sound"),
        ("missing", "no file"),
    ]:
        with pytest.raises(ImageError, match=words):
            annotate_video(tmp_path / f"{name}.mp4", out / "o.mp4", out / "t.csv", classifier, processor=processor)
        assert not out.exists()


def test_the_source_is_never_overwritten_and_the_ending_must_be_one_of_a_video(tmp_path, classifier, processor):
    source = make_video(tmp_path / "in.mp4")
    before = source.read_bytes()
    for output in (source, tmp_path / "out.exe"):
        with pytest.raises(FerError):
            annotate_video(source, output, None, classifier, processor=processor)
    assert source.read_bytes() == before


def test_a_failure_leaves_no_half_written_video(tmp_path, classifier):
    class Failing(FakeDetector):
        def detect(self, image, fast=False):
            if self.calls >= 3:
                raise RuntimeError("inside")
            return super().detect(image, fast)

    processor = LiveProcessor(classifier, Failing([face(20, 30)]), LiveConfig(detect_every=1))
    source = make_video(tmp_path / "in.mp4")
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError, match="inside"):
        annotate_video(source, tmp_path / "out" / "o.mp4", tmp_path / "out" / "t.csv", classifier, processor=processor)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["t.csv"]
    assert len(rows_of(tmp_path / "out" / "t.csv")) == 3


def test_progress_counts_frames_and_estimates_the_rest(tmp_path, classifier, processor):
    seen = []
    annotate_video(
        make_video(tmp_path / "in.mp4"),
        None,
        tmp_path / "t.csv",
        classifier,
        processor=processor,
        on_progress=seen.append,
    )
    assert seen[0].frames == 1
    assert seen[0].total_seconds == pytest.approx(0.8, abs=0.1)
    assert seen[0].preview.shape == (120, 160, 3)


def test_the_time_left_is_what_the_pace_so_far_says(tmp_path, classifier, processor, monkeypatch):
    now = [0.0]

    def tick() -> float:  # each look at the clock takes half a second
        now[0] += 0.5
        return now[0]

    monkeypatch.setattr(module.clock, "perf_counter", tick)
    seen = []
    source = make_video(tmp_path / "in.mp4")
    annotate_video(source, None, None, classifier, processor=processor, on_progress=seen.append)
    assert seen[0].seconds_left is None  # nothing is known at the first frame
    left = [progress.seconds_left for progress in seen[1:]]
    assert len(left) > 5
    assert all(a > b for a, b in itertools.pairwise(left))
    assert left[-1] < 0.1 * left[0]


def test_a_timeline_is_thinned_and_survives_a_line_cut_short(tmp_path, classifier, processor):
    annotate_video(make_video(tmp_path / "in.mp4"), None, tmp_path / "t.csv", classifier, processor=processor)
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text()[:-30])
    line = read_timeline(tmp_path / "t.csv", points=5)
    times, probabilities = line.tracks[1]
    assert len(times) == 5
    assert times[0] == 0
    assert probabilities.shape == (5, 7)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ImageError, match="not a table of faces"):
        read_timeline(tmp_path / "other.csv")
