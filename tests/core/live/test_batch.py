from __future__ import annotations

import json

import pytest

from fer_core.cli import main
from fer_core.errors import ImageError
from fer_core.inference import Classifier
from fer_core.live.batch import annotate_videos, plan_videos
from fer_core.live.video import annotate_video
from tests.core.live.test_video import make_video
from tests.factories import untrained_checkpoint


@pytest.fixture
def model(tmp_path):
    return untrained_checkpoint(tmp_path / "m.safetensors")


@pytest.fixture
def folder(tmp_path):
    """Two videos of the same name in two folders, a text, and a broken video."""
    folder = tmp_path / "videos"
    for name, frames in (("a/walk.mp4", 8), ("b/walk.mp4", 12)):
        (folder / name).parent.mkdir(parents=True)
        make_video(folder / name, frames)
    (folder / "notes.txt").write_text("x")
    (folder / "broken.mkv").write_text("no video")
    return folder


def test_every_video_gets_a_copy_and_a_table_of_its_own(folder, tmp_path):
    jobs = plan_videos([folder / "b", folder], tmp_path / "out")
    assert [job.source.relative_to(folder).as_posix() for job in jobs] == ["b/walk.mp4", "broken.mkv", "a/walk.mp4"]
    assert [job.output.name for job in jobs] == ["walk.mp4", "broken.mp4", "walk-2.mp4"]
    assert [job.table.name for job in jobs] == ["walk.csv", "broken.csv", "walk-2.csv"]
    assert not (tmp_path / "out").exists()


def test_no_source_is_replaced_and_missing_ones_are_named(folder, tmp_path):
    with pytest.raises(ImageError, match="Choose another folder"):
        plan_videos([folder / "a"], folder / "a")
    with pytest.raises(ImageError, match="no file or folder"):
        plan_videos([tmp_path / "nowhere.mp4"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no video"):
        plan_videos([tmp_path / "empty"], tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_several_videos_are_annotated_as_one_by_one(folder, model, tmp_path, workers):
    classifier = Classifier.load(model, threads=1)
    jobs = plan_videos([folder], tmp_path / "out")
    done: list[tuple[int, int]] = []
    outcomes = annotate_videos(jobs, classifier, workers=workers, on_progress=lambda *p: done.append(p))
    found = {outcome.job.source.relative_to(folder).as_posix(): outcome for outcome in outcomes}
    assert done == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert "video" in found["broken.mkv"].error
    for name in ("a/walk.mp4", "b/walk.mp4"):
        alone = annotate_video(folder / name, None, tmp_path / "alone.csv", classifier)
        result = found[name].result
        assert result is not None
        assert (result.frames, result.faces) == (alone.frames, alone.faces)
        assert found[name].job.table.read_bytes() == (tmp_path / "alone.csv").read_bytes()
        assert found[name].job.output.stat().st_size > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_begins_after_a_stop(folder, model, tmp_path, workers):
    jobs, classifier = plan_videos([folder], tmp_path / "out"), Classifier.load(model, threads=1)
    assert list(annotate_videos(jobs, classifier, workers=workers, should_stop=lambda: True)) == []


def test_a_stop_ends_the_video_in_work_and_begins_no_other(folder, model, tmp_path):
    jobs, classifier = plan_videos([folder / "a", folder / "b"], tmp_path / "out"), Classifier.load(model, threads=1)
    asked = iter([False] * 4)  # before the first video, at its start, after two frames; then a stop
    (outcome,) = annotate_videos(jobs, classifier, should_stop=lambda: next(asked, True))
    assert outcome.result is not None
    assert outcome.result.stopped
    assert outcome.result.frames == 3


@pytest.mark.slow
def test_the_command_takes_files_and_folders(folder, model, tmp_path, capsys):
    told = ["video", str(folder), "--model", str(model)]
    assert main([*told, "-o", str(tmp_path / "out"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {video["source"].rpartition("videos/")[2]: "error" in video for video in document["videos"]} == {
        "a/walk.mp4": False, "b/walk.mp4": False, "broken.mkv": True,
    }  # fmt: skip
    assert (document["failed"], document["not_begun"]) == (1, 0)
    assert main(told) == 2
    assert "-o FOLDER" in capsys.readouterr().err
    assert main(["video", str(folder / "broken.mkv"), str(folder / "notes.txt"), "-o", str(tmp_path / "out")]) == 2
    assert "None of these files" in capsys.readouterr().err
