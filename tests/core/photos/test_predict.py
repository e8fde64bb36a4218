from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.classes import ClassList
from fer_core.cli import main
from fer_core.errors import ImageError
from fer_core.faces import Square, crop_box, crop_face, square_around
from fer_core.images import read_photo
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.photos import (
    find_photos,
    in_worker_processes,
    look_for_photos,
    predict_file,
    predict_image,
    predict_paths,
    predict_squares,
)
from tests.core.faces.conftest import encode, fill, scene
from tests.factories import untrained_checkpoint

SEVEN = ClassList.fer2013()

ONE = (200, 100, 200)
TWO = ((30, 100, 200), (380, 150, 180))


class Counting:
    """A classifier that counts its calls."""

    def __init__(self, classifier: Classifier) -> None:
        self.inner, self.sizes = classifier, []
        self.classes, self.info = classifier.classes, classifier.info
        self.abstain_below = classifier.abstain_below

    def probabilities(self, faces):
        self.sizes.append(len(faces))
        return self.inner.probabilities(faces)


def write(folder, **files):
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def test_the_record_is_the_contract(detector, classifier):
    result = predict_image(read_photo(encode(scene(*TWO))), detector, classifier, "a.png")
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(record) == {"file", "width", "height", "faces"}
    assert (record["file"], record["width"], record["height"]) == ("a.png", 640, 480)
    assert len(record["faces"]) == 2
    for face in record["faces"]:
        assert set(face) == {"box", "score", "label", "probabilities", "abstained"}
        assert len(face["box"]) == 4
        assert 0.6 <= face["score"] <= 1
        assert tuple(face["probabilities"]) == SEVEN.names
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        assert face["label"] == max(face["probabilities"], key=face["probabilities"].get)
        assert face["abstained"] is False
    assert record["faces"][0]["box"][0] < record["faces"][1]["box"][0]


def test_probabilities_are_those_of_the_classifier_on_the_crop(detector, classifier):
    image = scene(*TWO)
    result = predict_image(read_photo(encode(image)), detector, classifier)
    for face, found in zip(result.faces, detector.detect(image), strict=True):
        crop = crop_face(image, found)
        assert np.array_equal(face.crop, crop)
        assert face.square == crop_box(found)
        assert np.allclose(face.probabilities, classifier.probabilities(crop)[0], atol=1e-6)


def test_file_bytes_and_decoded_frame_give_identical_probabilities(detector, classifier, tmp_path):
    image = scene(ONE)
    path = tmp_path / "a.png"
    path.write_bytes(encode(image))
    doors = [
        predict_file(path, detector, classifier),
        predict_image(read_photo(path.read_bytes()), detector, classifier),
        next(predict_paths([tmp_path], detector, classifier)),
    ]
    frame = predict_squares(image, [crop_box(detector.detect(image)[0])], classifier)
    for result in doors:
        assert np.array_equal(result.faces[0].probabilities, frame[0].probabilities)


def test_all_faces_of_a_photograph_go_through_the_network_at_once(detector, classifier):
    counting = Counting(classifier)
    predict_image(read_photo(encode(scene(*TWO))), detector, counting)
    assert counting.sizes == [2]


def test_where_no_face_is_none_is_made_up(detector, classifier):
    result = predict_image(read_photo(encode(np.full((100, 100, 3), 90, np.uint8))), detector, classifier, "wall.png")
    assert result.to_dict() == {"file": "wall.png", "width": 100, "height": 100, "faces": []}


@pytest.mark.parametrize(("threshold", "abstained"), [(0.0, False), (1.0, True)])
def test_below_the_models_threshold_the_answer_is_not_sure(detector, classifier, threshold, abstained):
    info = CheckpointInfo.parse({**classifier.info.to_dict(), "abstain_below": threshold})
    careful = Classifier(classifier.model, info)
    result = predict_image(read_photo(encode(scene(ONE))), detector, careful)
    assert result.faces[0].abstained is abstained
    assert result.faces[0].label in SEVEN


def test_a_box_marked_by_hand_is_classified_without_a_detector(classifier):
    (face,) = predict_squares(scene(ONE), [square_around(200, 100, 200, 180)], classifier)
    assert face.face is None
    assert face.score is None
    assert face.square == Square(200, 90, 200)
    assert face.box(640, 480) == (200, 90, 200, 200)
    assert predict_squares(scene(ONE), [], classifier) == ()


def test_boxes_are_cut_off_at_the_edges_in_the_record_only(detector, classifier):
    close = scene((0, 0, 200), width=200, height=200)[:170]
    result = predict_image(read_photo(encode(close)), detector, classifier)
    x, y, w, h = result.to_dict()["faces"][0]["box"]
    assert min(x, y) >= 0
    assert x + w <= 200
    assert y + h <= 170
    assert result.faces[0].face.box[1] + result.faces[0].face.box[3] > 170


# ------------------------------------------------------------------------------------------------ folders


def test_folders_are_searched_to_the_bottom_in_order_without_hidden_files(tmp_path):
    for name in ("b/2.JPG", "b/10.jpg", "a.png", "b/c/x.webp", ".hidden/y.jpg", "b/._x.jpg", "notes.txt", "d.svg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = [str(path.relative_to(tmp_path)) for path in find_photos([tmp_path])]
    assert found == ["a.png", "d.svg", "b/10.jpg", "b/2.JPG", "b/c/x.webp"]


def test_what_a_folder_prediction_passes_over_is_counted_and_named_and_linked_folders_are_read_once(tmp_path, capsys):
    folder, elsewhere = tmp_path / "album", tmp_path / "elsewhere"
    for path in (folder / "a.png", elsewhere / "b.png", elsewhere / "c.png"):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(scene(ONE)).save(path)
    for name in ("notes.txt", "IMG_0001", ".hidden.png", "film.mp4"):
        (folder / name).write_bytes(b"x")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "again").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "one.png").symlink_to(elsewhere / "c.png")
    found = look_for_photos([folder])
    names = [str(path.relative_to(folder)) for path in found.files]
    assert sorted(names) == sorted(["a.png", "again/b.png", "again/c.png", "one.png"])
    assert {(one.reason, Path(one.name).name) for one in found.skipped} == {
        ("files that are not images", "notes.txt"), ("files that are not images", "film.mp4"),
        ("files without a file extension", "IMG_0001"), ("hidden files", ".hidden.png"),
        ("links to nowhere", "gone.png"), ("linked folders that were already read", "linked"),
        ("linked folders that were already read", "loop"),
    }  # fmt: skip
    assert main(["predict", str(folder), "--model", "seed", "--json"]) == 0
    said = capsys.readouterr()
    assert "warning: Not read: 2 files that are not images" in said.err
    assert len(json.loads(said.out)["not_read"]) == 7


def test_each_file_is_taken_once_and_a_file_given_by_name_whatever_its_ending(tmp_path):
    write(tmp_path, a__jpg=b"", b__data=b"")
    inside = tmp_path / "b.data", tmp_path, tmp_path / "a.jpg", f"{tmp_path}/../{tmp_path.name}/a.jpg"
    assert find_photos(inside) == [tmp_path / "b.data", tmp_path / "a.jpg"]


def test_a_missing_path_and_a_folder_without_pictures_are_refused(tmp_path):
    with pytest.raises(ImageError, match="no file or folder"):
        find_photos([tmp_path / "none"])
    for odd in ("a\0b", "x" * 5000):
        with pytest.raises(ImageError, match="no file or folder"):
            find_photos([odd])
    with pytest.raises(ImageError, match="no image in"):
        find_photos([tmp_path])
    with pytest.raises(ImageError, match="no image in"):
        find_photos([])


def test_a_broken_file_is_reported_and_the_others_go_on(tmp_path, detector, classifier):
    good = encode(scene(ONE))
    write(
        tmp_path, a__png=good, b__png=good[:2000], c__jpg=b"just text\n" * 50, d__svg=b"<svg/>", e__png=good, f__jpg=b""
    )
    results = list(predict_paths([tmp_path], detector, classifier))
    errors = [result.error or "" for result in results]
    assert [len(result.faces) for result in results] == [1, 0, 0, 0, 1, 0]
    for reason, error in zip(["", "truncated", "text file", "SVG", "", "empty"], errors, strict=True):
        assert reason in error
    assert "error" not in results[0].to_dict()
    assert results[2].to_dict()["error"] == errors[2]
    assert all("\n" not in error for error in errors)


def test_a_defect_of_ours_costs_one_photograph(tmp_path, detector, classifier):
    write(tmp_path, a__png=encode(scene(ONE)), b__png=encode(scene(ONE)))

    class Failing(Counting):
        def probabilities(self, faces):
            self.sizes.append(len(faces))
            if len(self.sizes) == 1:
                raise RuntimeError("broken\nin two lines")
            return self.inner.probabilities(faces)

    first, second = predict_paths([tmp_path], detector, Failing(classifier))
    assert "RuntimeError: broken in two lines" in first.error
    assert second.error is None


def test_progress_counts_and_stopping_leaves_a_table_that_is_continued(tmp_path, detector, classifier):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcde":
        (folder / f"{name}.png").write_bytes(encode(scene(*(TWO if name == "b" else [ONE]))))
    table, seen = tmp_path / "out.csv", []
    stopped = predict_paths(
        [folder], detector, classifier, csv=table, model_name="m",
        on_progress=lambda done, total: seen.append((done, total)), should_stop=lambda: seen[-1][0] == 2,
    )  # fmt: skip
    assert len(list(stopped)) == 2
    assert seen == [(0, 5), (1, 5), (2, 5)]
    with table.open("ab") as file:
        file.write(b"half a line")
    seen.clear()
    rest = predict_paths(
        [folder], detector, classifier, csv=table, model_name="m", on_progress=lambda n, total: seen.append((n, total))
    )
    assert [os.path.basename(result.file) for result in rest] == ["c.png", "d.png", "e.png"]
    assert seen == [(2, 5), (3, 5), (4, 5), (5, 5)]
    at_once = tmp_path / "at once.csv"
    results = list(predict_paths([folder], detector, classifier, csv=at_once, model_name="m"))
    assert at_once.read_bytes() == table.read_bytes()
    assert len(results) == 5
    assert list(predict_paths([folder], detector, classifier, csv=table, model_name="m")) == []


def test_a_caller_that_breaks_off_leaves_whole_rows(tmp_path, detector, classifier):
    folder = write(tmp_path, a__png=encode(scene(ONE)), b__png=encode(scene(ONE)))
    results = predict_paths([folder], detector, classifier, csv=tmp_path / "out.csv")
    next(results)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2  # written before it is yielded
    results.close()
    assert len(list(predict_paths([folder], detector, classifier, csv=tmp_path / "out.csv"))) == 1


def test_bad_input_is_refused_by_the_call_itself_and_writes_nothing(tmp_path, detector, classifier):
    with pytest.raises(ImageError):
        predict_paths([tmp_path / "none"], detector, classifier, csv=tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


ODD_NAMES = [
    'it\'s "quoted".png',
    "<script>alert(1)</script>.png".replace("/", "∕"),
    "**bold** [link](x) $x$.png",
    "وجه مبتسم.png",
    "\u202egnp.exe.png",
    "=SUM(A1).png",
    "line\nbreak\rreturn.png",
    "comma, semi;colon.png",
    "😀 e\u0301.png",
    "\x1b[31mred.png",
]


def test_odd_names_are_kept_letter_for_letter(tmp_path, detector, classifier):
    folder = tmp_path / "photos"
    folder.mkdir()
    small = encode(np.full((20, 20, 3), 90, np.uint8))
    for name in ODD_NAMES:
        (folder / name).write_bytes(small)
    table = tmp_path / "out.csv"
    results = list(predict_paths([folder], detector, classifier, csv=table))
    expected = sorted(str(folder / name) for name in ODD_NAMES)
    assert sorted(result.file for result in results) == expected
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert sorted(row["file"] for row in csv.DictReader(file)) == expected
    assert list(predict_paths([folder], detector, classifier, csv=table)) == []


def test_a_name_that_is_no_utf8_is_written_with_its_bytes(tmp_path, detector, classifier):
    path = os.fsencode(tmp_path) + b"/gr\xfc\xdfe.png"
    with open(path, "wb") as file:
        file.write(encode(np.full((20, 20, 3), 90, np.uint8)))
    (result,) = predict_paths([tmp_path], detector, classifier, csv=tmp_path / "out.csv")
    assert result.error is None
    assert result.file.endswith(r"gr\udcfc\udcdfe.png")
    assert json.dumps(result.to_dict(), ensure_ascii=False).encode("utf-8")


@pytest.mark.slow
def test_five_hundred_files_go_through(tmp_path, detector, classifier):
    blank, broken = encode(np.full((16, 16), 90, np.uint8)), b"\x89PNG broken"
    for i in range(500):
        (tmp_path / f"{i:03}.png").write_bytes(broken if i % 50 == 7 else blank)
    results = list(predict_paths([tmp_path], detector, classifier, csv=tmp_path / "out.csv"))
    assert [int(os.path.basename(result.file)[:3]) for result in results] == list(range(500))
    assert sum(result.error is not None for result in results) == 10
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 501


@pytest.mark.real_data
def test_all_sixty_photographs_go_through_and_nearly_all_show_a_face(photos, detector, classifier, tmp_path):
    results = list(predict_paths([photos[0].parent], detector, classifier, csv=tmp_path / "out.csv"))
    assert len(results) == 60
    assert [result.error for result in results] == [None] * 60
    assert sum(len(result.faces) >= 1 for result in results) >= 57


@pytest.mark.parametrize(("score", "abstained"), [(0.76, True), (0.79, True), (0.81, False), (0.94, False)])
def test_a_face_that_the_detector_doubts_is_not_sure(detector, classifier, score, abstained):
    info = CheckpointInfo.parse({**classifier.info.to_dict(), "abstain_below": 0.0})
    (found,) = detector.detect(scene(ONE))
    face = replace(found, score=score)
    (prediction,) = predict_squares(scene(ONE), [crop_box(face)], Classifier(classifier.model, info), [face])
    assert prediction.abstained is abstained


@pytest.fixture
def folder_of_thirty(tmp_path):
    return fill(tmp_path / "thirty", 30)


@pytest.fixture
def kept(tmp_path):
    """A classifier that comes from a file, so that other processes can load it."""
    return Classifier.load(untrained_checkpoint(tmp_path / "kept.safetensors"), threads=1)


def test_processes_write_the_table_of_one(tmp_path, folder_of_thirty, detector, kept):
    tables = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for workers, table in enumerate(tables, start=1):
        results = predict_paths([folder_of_thirty], detector, kept, csv=table, compute=in_worker_processes(workers))
        assert [Path(result.file).stem for result in results] == [f"{number:02}" for number in range(30)]
    assert tables[0].read_bytes() == tables[1].read_bytes()


@pytest.mark.slow
def test_killed_processes_lose_and_double_nothing(tmp_path, folder_of_thirty, detector, kept):
    at_once, table = tmp_path / "one.csv", tmp_path / "killed.csv"
    list(predict_paths([folder_of_thirty], detector, kept, csv=at_once))
    kills = 0
    for number, _ in enumerate(
        predict_paths([folder_of_thirty], detector, kept, csv=table, compute=in_worker_processes(2))
    ):
        if number % 3 != 2:
            victims = [child for child in multiprocessing.active_children() if child.pid]
            os.kill(victims[number % len(victims)].pid, signal.SIGKILL)
            kills += 1
    assert kills == 20
    assert table.read_bytes() == at_once.read_bytes()


@pytest.mark.slow
def test_a_table_begun_by_one_process_is_continued_by_several(tmp_path, folder_of_thirty, detector, kept):
    at_once, table = tmp_path / "one.csv", tmp_path / "begun.csv"
    list(predict_paths([folder_of_thirty], detector, kept, csv=at_once))
    begun = predict_paths([folder_of_thirty], detector, kept, csv=table, compute=in_worker_processes(2))
    for _ in range(11):
        next(begun)
    begun.close()
    assert len(list(predict_paths([folder_of_thirty], detector, kept, csv=table, compute=in_worker_processes(2)))) == 19
    assert table.read_bytes() == at_once.read_bytes()


def test_a_network_in_memory_stays_in_its_process(folder_of_thirty, detector, classifier):
    in_memory = Classifier(classifier.model, classifier.info)
    with pytest.raises(TypeError, match="in memory"):
        next(predict_paths([folder_of_thirty], detector, in_memory, compute=in_worker_processes(2)))


@pytest.mark.slow
def test_predict_says_how_many_processes_it_used(folder_of_thirty, tmp_path, capsys):
    model = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    assert main(["predict", str(folder_of_thirty), "--model", model, "--workers", "2", "--json"]) == 0
    two = json.loads(capsys.readouterr().out)
    assert main(["predict", str(folder_of_thirty), "--model", model, "--workers", "1", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert (one.pop("workers"), two.pop("workers")) == (1, 2)
    assert one == two


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_changes_meanwhile_costs_only_the_files_that_changed(
    tmp_path, folder_of_thirty, detector, kept, workers
):
    files = find_photos([folder_of_thirty])
    expected = {result.file: result.to_dict() for result in predict_paths([folder_of_thirty], detector, kept)}
    results = predict_paths([folder_of_thirty], detector, kept, compute=in_worker_processes(workers))
    found = [next(results)]
    gone, cut, swapped = (file for file in files[-4:] if not expected[str(file)].get("error"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:200])
    swapped.unlink()
    swapped.mkdir()
    shutil.copy(files[0], folder_of_thirty / "0000-new.png")  # it arrived too late
    found += results
    assert [result.file for result in found] == [str(file) for file in files]
    for result in found:
        if result.file in {str(gone), str(cut), str(swapped)}:
            assert result.error
        else:
            assert result.to_dict() == expected[result.file]
