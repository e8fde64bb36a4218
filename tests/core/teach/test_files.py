"""Takes from photos, clips and folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fer_core.errors import DataError, TrainingError
from fer_core.faces import FaceDetector
from fer_core.images import write_image
from fer_core.live.media.reader import VideoReader
from fer_core.teach import TakeStore, add_files, files, find_takes, import_folder
from fer_core.teach.judge import FrameFace
from tests.sample_photos import wall
from tests.teach_factory import draw_take, photo, write_clip, write_folder


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture
def store(workspace) -> TakeStore:
    return TakeStore(workspace, "mine", ("happy", "surprise"))


def test_photos_are_one_take_and_each_clip_is_one(tmp_path, store, detector):
    photos = []
    for number, face in enumerate(draw_take("happy", 0, 3)):
        photos.append(tmp_path / f"{number}.jpg")
        write_image(photos[-1], photo(face))
    write_image(tmp_path / "wall.png", wall(640, 480))
    (tmp_path / "text.jpg").write_text("no image")
    clip = write_clip(tmp_path / "clip.mp4", draw_take("happy", 1, 8))
    seen, steps = [], []
    found = add_files(
        store, "happy", [*photos, tmp_path / "wall.png", tmp_path / "text.jpg", clip], detector,
        progress=lambda done, total: steps.append((done, total)), on_picture=lambda name, kept: seen.append((name, kept.reason)),
    )  # fmt: skip
    assert [(take.source, take.faces) for take in found.takes] == [("5 photos", 3), ("clip.mp4", 8)]
    assert found.takes[0].left_out == {"no face": 1, "unreadable": 1}
    assert ("wall.png", "no face") in seen
    assert ("text.jpg", "unreadable") in seen
    assert ("clip.mp4 at 0.7 s", None) in seen
    assert all(done <= total for done, total in steps)
    assert store.takes() == found.takes


def test_a_clip_that_breaks_off_keeps_what_was_seen(tmp_path, store, detector):
    """As when a camera drops out in the middle of a recording."""
    whole = write_clip(tmp_path / "whole.mp4", draw_take("happy", 1, 30))
    live = tmp_path / "cut.mkv"
    shutil.copy(whole, tmp_path / "copy.mp4")
    import av

    with av.open(str(whole)) as source, av.open(str(live), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    live.write_bytes(live.read_bytes()[: int(live.stat().st_size * 0.6)])
    (take,) = add_files(store, "happy", [live], detector).takes
    assert 3 <= take.faces < 30


@pytest.mark.parametrize(("duration", "wanted"), [(3.0, [0.0, 0.8, 1.5, 2.3]), (None, [0.0, 0.1, 0.2, 0.3])])
def test_of_a_long_clip_an_even_part_is_judged(tmp_path, store, monkeypatch, duration, wanted):
    monkeypatch.setattr(files, "MAX_TAKE_FACES", 4)
    monkeypatch.setattr(VideoReader, "duration", duration)
    monkeypatch.setattr(files, "judge", lambda rgb, detector, fast: FrameFace(rgb[:48, :48, 0]))
    clip = write_clip(tmp_path / "clip.mp4", draw_take("happy", 1, 30))
    seen: list[str] = []
    add_files(store, "happy", [clip], FaceDetector(), on_picture=lambda name, kept: seen.append(name))
    assert seen == [f"clip.mp4 at {seconds} s" for seconds in wanted]


def test_no_usable_face_is_an_error_with_the_reasons_and_writes_nothing(tmp_path, store, detector):
    write_image(tmp_path / "wall.png", wall(640, 480))
    with pytest.raises(DataError, match=r"No picture has a usable face \(no face: 1\)"):
        add_files(store, "happy", [tmp_path / "wall.png"], detector)
    assert not store.exists


def test_a_stop_adds_nothing(tmp_path, store, detector):
    folder = write_folder(tmp_path / "faces")
    calls = iter(range(99))
    with pytest.raises(TrainingError, match="stopped"):
        import_folder(store, folder, detector, stop=lambda: next(calls) > 4)
    assert not store.exists


def test_folders_are_classes_and_what_is_in_them_takes(tmp_path, store, detector):
    folder = write_folder(tmp_path / "faces", ("angry", "neutral"), takes=1, photos=2)
    write_clip(folder / "angry" / "more.mp4", draw_take("angry", 2, 4))
    write_image(folder / "neutral" / "one.jpg", photo(draw_take("neutral", 3, 1)[0]))
    (folder / ".hidden").mkdir()
    (folder / "neutral" / "notes.txt").write_text("ignored")
    (folder / "neutral" / "empty").mkdir()
    empty = folder / "neutral" / "nobody"
    empty.mkdir()
    write_image(empty / "wall.jpg", wall(640, 480))
    found = import_folder(store, folder, detector)
    assert store.classes == ("angry", "neutral")
    assert sorted((take.source, take.faces) for take in store.takes()) == [
        ("angry/more.mp4", 4), ("angry/take 0", 2), ("neutral", 1), ("neutral/take 0", 2),
    ]  # fmt: skip
    assert found.empty == (("neutral/nobody", {"no face": 1}),)
    assert store.left_out() == {"no face": 1}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ((), r"has no folders. Expected one folder per class"),
        (("a",), "One class was given; 2 to 8"),
        (tuple("abcdefghi"), "9 classes were given"),
        (("smile", "Smile"), "names of the same class"),
        (("a", "b", "-empty"), "folder of the class '-empty' has no photos or clips"),
    ],
)
def test_folders_without_two_to_eight_different_classes_are_refused(tmp_path, made, message):
    for name in made:
        (tmp_path / name).mkdir()
        if not name.startswith("-"):
            write_image(tmp_path / name / "1.png", wall(64, 48))
    with pytest.raises(DataError, match=message):
        find_takes(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        find_takes(tmp_path / "nothing")


def test_a_class_without_a_face_is_named_with_the_reasons(tmp_path, store, detector):
    folder = write_folder(tmp_path / "faces", takes=1, photos=2)
    (folder / "wink").mkdir()
    for number in range(2):
        write_image(folder / "wink" / f"{number}.jpg", wall(640, 480))
    with pytest.raises(DataError, match=r"class 'wink' has a usable face \(no face: 2\)"):
        import_folder(store, folder, detector)
    assert not store.exists


def test_of_5000_frames_an_even_part_is_judged(tmp_path, store, monkeypatch):
    """The rule that bounds the time of an import: at most 200 pictures of a take."""
    judged: list[str] = []

    def quick(rgb: np.ndarray, detector: object, *, fast: bool = False) -> FrameFace:
        return FrameFace(rgb[:48, :48, 0])

    def read(path: Path) -> object:
        judged.append(path.name)
        return type("Photo", (), {"rgb": np.zeros((48, 48, 3), np.uint8)})

    monkeypatch.setattr(files, "judge", quick)
    monkeypatch.setattr(files, "read_photo", read)
    for name in ("happy", "surprise"):
        (tmp_path / name / "long").mkdir(parents=True)
        for number in range(2500):
            (tmp_path / name / "long" / f"{number:05}.jpg").touch()
    import_folder(store, tmp_path, FaceDetector())
    assert [take.faces for take in store.takes()] == [200, 200]
    assert len(judged) == 400
    assert {judged[0], judged[199]} == {"00000.jpg", "02499.jpg"}
    assert store.left_out() == {"over the limit": 4600}
