from __future__ import annotations

import zipfile

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data import load
from fer_core.data.class_map import make_class_map
from fer_core.data.parsed import face_id
from fer_core.data.sources.splits import assign_splits
from fer_core.errors import ConfigError, DataError
from fer_core.preprocess import to_face
from tests.source_factory import encode, face, png, tree, write_folder, write_zip

SEVEN = ClassList.fer2013()


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/angry/Training_1.jpg", "train"),
        ("test/angry/PublicTest_1.jpg", "test"),
        ("train/angry/PublicTest_1.jpg", "train"),
        ("valid/angry/Training_1.jpg", "valid"),
        ("angry/PublicTest_1.jpg", "valid"),
        ("train_set/angry/1.jpg", "train"),
        ("test/angry/PrivateTest_1.jpg", "test"),
        ("test/angry/1.jpg", "test"),
        ("Validation/angry/1.jpg", "valid"),
        ("val/angry/1.jpg", "valid"),
        ("angry/VALID/1.jpg", "valid"),
        ("train/val/angry/1.jpg", "valid"),
        ("angry/1.jpg", "train"),
        ("angry/test.jpg", "train"),
    ],
)
def test_folders_decide_the_split_before_file_names_and_the_innermost_folder_counts(name, split):
    assert assign_splits([name]).splits == {name: split}


def test_file_names_divide_kaggles_folder_test_only_if_nobody_else_made_a_validation_split():
    public, private = "test/angry/PublicTest_1.jpg", "test/angry/PrivateTest_1.jpg"
    assert assign_splits([public, private]).splits == {public: "valid", private: "test"}
    own = "valid/angry/1.jpg"
    assert assign_splits([public, private, own]).splits == {public: "test", private: "test", own: "valid"}


def test_kaggles_zip_is_read_with_both_of_its_test_sets(tmp_path):
    files = {}
    for i, label in enumerate(SEVEN):
        files[f"train/{label}/Training_{i}.jpg"] = encode(face(i), "JPEG")
        files[f"test/{label}/PublicTest_{i}.jpg"] = encode(face(10 + i), "JPEG")
        files[f"test/{label}/PrivateTest_{i}.jpg"] = encode(face(20 + i), "JPEG")
    dataset = load(write_zip(tmp_path / "archive.zip", files))
    assert dataset.name == "archive.zip"
    assert dataset.counts() == {"train": 7, "valid": 7, "test": 7}
    assert dataset.warnings == ()
    for name, label, split in zip(dataset.ids, dataset.labels, dataset.split, strict=True):
        assert SEVEN[label] in name
        assert {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}[
            name.split("/")[2].split("_")[0]
        ] == split


def test_pixels_labels_and_ids_stay_together(tmp_path):
    files = {f"{label}/{i}.png": png(10 * k + i) for k, label in enumerate(SEVEN) for i in range(5)}
    dataset = load(write_folder(tmp_path / "faces", files))
    for image, label, name in zip(dataset.images, dataset.labels, dataset.ids, strict=True):
        emotion, number = name.removesuffix(".png").split("/")
        assert SEVEN[label] == emotion
        assert (image == face(10 * label + int(number))).all()


def test_more_files_than_one_thread_takes_at_a_time_keep_their_order(tmp_path):
    files = {f"{SEVEN[i % 7]}/{i}.png": png(i % 11) for i in range(600)}
    calls: list[tuple[int, int]] = []
    dataset = load(write_zip(tmp_path / "a.zip", files), on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(256, 600), (512, 600), (600, 600)]
    for image, name in zip(dataset.images, dataset.ids, strict=True):
        assert (image == face(int(name.split("/")[1].removesuffix(".png")) % 11)).all()


def test_a_folder_and_a_zip_of_it_are_the_same_data_set(tmp_path):
    files = tree(2)
    shuffled = dict(sorted(files.items(), key=lambda item: hash(item[1])))
    folder = load(write_folder(tmp_path / "faces", files))
    stored = load(write_zip(tmp_path / "stored.zip", shuffled))
    deflated = load(write_zip(tmp_path / "no ending", files, zipfile.ZIP_DEFLATED))
    assert folder.fingerprint == stored.fingerprint == deflated.fingerprint
    assert folder.counts() == {"train": 14, "valid": 14, "test": 14}


def test_color_images_of_any_size_become_faces(tmp_path):
    picture = np.stack([face(i, (130, 90)) for i in range(3)], axis=2)
    dataset = load(
        write_folder(tmp_path / "faces", {"joy/big.png": encode(picture), "sad/small.png": encode(face(1, (20, 24)))})
    )
    assert dataset.images.shape == (2, 48, 48)
    assert (dataset.images[0] == to_face(picture)).all()
    assert dataset.per_class()["train"]["happy"] == 1


def test_without_split_folders_everything_trains(tmp_path):
    dataset = load(write_folder(tmp_path / "faces", {f"{label}/1.png": png(i) for i, label in enumerate(SEVEN[:5])}))
    assert dataset.counts() == {"train": 5, "valid": 0, "test": 0}
    assert dataset.classes.names == SEVEN[:5]
    assert dataset.warnings == ()


def test_classes_that_a_split_lacks_are_said(tmp_path):
    dataset = load(write_folder(tmp_path / "faces", {**tree(splits=["train"]), "test/sad/1.png": png(99)}))
    assert dataset.warnings == ("The test split has no faces of: angry, disgust, fear, happy, surprise, neutral.",)


def test_what_is_no_class_is_left_out_and_said(tmp_path):
    extra = {f"train/selfies/{i}.png": png(90 + i) for i in range(3)}
    files = {**tree(), **extra, "cover.jpg": png(99), "README.txt": b"hi", ".thumbs/x.png": png(5)}
    for path in (write_folder(tmp_path / "faces", files), write_zip(tmp_path / "faces.zip", files)):
        dataset = load(path, classes="emotions")
        assert dataset.classes == SEVEN
        assert len(dataset) == 21
        assert dataset.warnings == (
            "Excluded 4 images in folders that name no emotion: 'train/selfies', '(top level)'.",
            "Not read: 1 file that is not an image: 1 .txt file ('README.txt').",
            "Not read: 1 hidden folder: '.thumbs'.",
        )


def test_a_stray_folder_among_emotions_is_a_class_and_the_reason_is_said(tmp_path):
    dataset = load(write_folder(tmp_path / "faces", {**tree(), "train/selfies/1.png": png(90), "cover.jpg": png(99)}))
    assert len(dataset) == 22
    assert dataset.classes.names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "selfies", "surprise")
    assert dataset.warnings == (
        "Not all folders name an emotion ('selfies' does not), so the classes are the folders' own names. To "
        "exclude it, give --classes emotions.",
        "Excluded 1 image outside the class folders: '(top level)'.",
        "The test split has no faces of: selfies.",
        "The valid split has no faces of: selfies.",
    )


def test_images_are_told_by_content_and_not_by_their_ending(tmp_path):
    dataset = load(
        write_folder(
            tmp_path / "faces",
            {"happy/a": png(0), "sad/b.jpg": png(1), "sad/c.dat": png(2), "sad/notes.txt": b"no image"},
        )
    )
    assert dataset.ids.tolist() == ["happy/a", "sad/b.jpg", "sad/c.dat"]
    assert "Not read: 1 file that is not an image: 1 .txt file ('sad/notes.txt')." in dataset.warnings


BROKEN = {"train/sad/broken.jpg": b"<html>", "train/happy/cut.png": png(1)[:-30], "train/fear/empty.png": b""}


def test_broken_images_are_named_and_counted(tmp_path, workspace):
    path = write_zip(tmp_path / "faces.zip", {**tree(), **BROKEN, "train/sad/x.jpg": b"?"})
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert "4 of 25 faces cannot be read" in message
    assert "train/fear/empty.png is empty; train/happy/cut.png is damaged or truncated" in message
    assert "and 1 more" in message
    assert "--skip-unreadable" in message
    assert not workspace.root.exists()


def test_broken_images_are_skipped_only_when_asked(tmp_path):
    path = write_folder(tmp_path / "faces", {**tree(), **BROKEN})
    dataset = load(path, skip_unreadable=True)
    assert len(dataset) == 21
    assert "Skipped: 3 of 24 faces cannot be read" in dataset.warnings[-1]
    with pytest.raises(DataError, match="3 of 24"):
        load(path)  # what was kept in the cache for the tolerant load does not serve the strict one


def test_nothing_but_broken_images_is_refused_even_when_they_may_be_skipped(tmp_path):
    path = write_folder(tmp_path / "faces", BROKEN)
    with pytest.raises(DataError, match="3 of 3 faces cannot be read"):
        load(path, skip_unreadable=True)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"x"}, "has no images"),
        ({}, "has no images"),
        ({"a.png": png(0)}, "they are in no folder"),
        ({"train/a.png": png(0), "test/b.png": png(1)}, r"no folder that can be a class \(found: test, train\)"),
        ({"happy/a.png": png(0)}, r"There is one class \('happy'\).*Found as classes: the folders 'happy'"),
        ({"happy/a.txt": b"x"}, "has no images"),
        ({"fer2013.zip": b"PK"}, "It contains fer2013.zip: give that file itself"),
    ],
)
def test_folders_and_zips_without_faces_are_refused_with_what_was_found(tmp_path, files, message):
    folder = write_folder(tmp_path / "faces", files)
    folder.mkdir(exist_ok=True)
    for source in (folder, write_zip(tmp_path / "faces.zip", files)):
        with pytest.raises(DataError, match=message):
            load(source)


def test_reading_emotions_only_says_which_folders_there_were(tmp_path):
    with pytest.raises(DataError, match=r"no folder named after an emotion \(found: 0, 1\)"):
        load(write_folder(tmp_path / "faces", {"0/a.png": png(0), "1/b.png": png(1)}), classes="emotions")


def test_names_that_are_no_utf8_can_be_stored_and_printed(tmp_path):
    folder = tmp_path / "faces"
    (folder / "happy").mkdir(parents=True)
    with open(bytes(folder / "happy") + b"/\xff\xfe.png", "wb") as file:
        file.write(png(0))
    write_folder(folder, {"sad/1.png": png(1)})
    dataset = load(folder)
    assert dataset.ids.tolist() == ["happy/\\xff\\xfe.png", "sad/1.png"]
    assert face_id("häppy/ほ.png") == "häppy/ほ.png"


def test_loading_can_be_cancelled_from_the_progress(tmp_path, workspace):
    class Cancelled(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        load(write_zip(tmp_path / "a.zip", tree()), on_progress=cancel)
    assert not workspace.root.exists()


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_any_number_of_own_classes_is_read(tmp_path, count):
    names = [f"class {i:02}" for i in range(count)]
    files = {f"{split}/{name}/{i}.png": png(i) for split in ("train", "test") for i, name in enumerate(names)}
    for path in (write_folder(tmp_path / "faces", files), write_zip(tmp_path / "faces.zip", files)):
        for _ in range(2):  # the second time from the cache
            dataset = load(path)
            assert dataset.classes.names == tuple(names)
            assert [dataset.label_name(i) for i in range(len(dataset))] == [i.split("/")[1] for i in dataset.ids]
            assert dataset.warnings == ()


def test_persons_become_groups(tmp_path):
    files = {f"{who}/{what}/{i}.png": png(i) for who in ("anna", "ben") for what in ("on", "off") for i in range(2)}
    for _ in range(2):
        dataset = load(write_folder(tmp_path / "faces", files))
        assert dataset.classes.names == ("off", "on")
        assert dataset.groups is not None
        assert [who == i.split("/")[0] for who, i in zip(dataset.groups, dataset.ids, strict=True)] == [True] * 8


def test_two_folders_of_one_emotion_are_refused_unless_a_class_map_says_what_to_do(tmp_path):
    path = write_folder(tmp_path / "faces", {f"{name}/1.png": png(i) for i, name in enumerate(("happy", "joy", "sad"))})
    with pytest.raises(DataError, match=r"'happy' and 'joy' both mean happy.*--merge \"happy=happy,joy\""):
        load(path)
    assert load(path, classes="folders").classes.names == ("happy", "joy", "sad")
    merged = load(path, class_map=lambda faces: make_class_map(faces.classes, [("happy", ("happy", "joy"))]))
    assert merged.classes.names == ("happy", "sad")
    assert merged.labels.tolist() == [0, 0, 1]
    dropped = load(path, class_map=lambda faces: make_class_map(faces.classes, drop=["joy"]))
    assert dropped.ids.tolist() == ["happy/1.png", "sad/1.png"]
    with pytest.raises(DataError, match="both mean happy"):
        load(path, class_map=lambda faces: make_class_map(faces.classes, [("gloomy", ("sad",))]))


def test_a_class_map_is_applied_after_reading(tmp_path):
    path = write_folder(tmp_path / "faces", tree())
    whole = load(path)
    mapped = load(path, class_map=make_class_map(whole.classes, [("bad", ("angry", "sad"))], ["fear"]))
    assert mapped.classes.names == ("bad", "disgust", "happy", "surprise", "neutral")
    assert mapped.fingerprint == whole.fingerprint
    assert load(path).classes == whole.classes  # the cache holds the source's own classes


def test_an_unknown_way_to_read_classes_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="choose one of auto, emotions, folders, affectnet"):
        load(tmp_path, classes="emotion")  # type: ignore[arg-type]


@pytest.mark.real_data
def test_fer2013_has_its_known_counts(fer2013):
    counts = fer2013.per_class()
    assert fer2013.counts() == {"train": 28709, "valid": 3589, "test": 3589}
    assert list(counts["train"].values()) == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert list(counts["valid"].values()) == [467, 56, 496, 895, 653, 415, 607]
    assert list(counts["test"].values()) == [491, 55, 528, 879, 594, 416, 626]
    assert fer2013.warnings == ()
    assert fer2013.classes == SEVEN
    assert fer2013.fingerprint == "41de197450ccc29a140d1a97f31cbbdf7d5a0925997f5aaf18507e1c963a7eee"  # marks hang on it


@pytest.mark.real_data
def test_the_default_mean_and_deviation_are_those_of_fer2013s_training_faces(fer2013):
    from fer_core.config import PreprocessConfig

    histogram = sum(np.bincount(fer2013.images[i].ravel(), minlength=256) for i in fer2013.indices("train"))
    values = np.arange(256) / 255
    mean = (histogram * values).sum() / histogram.sum()
    std = np.sqrt((histogram * (values - mean) ** 2).sum() / histogram.sum())
    config = PreprocessConfig()
    assert (config.mean, config.std) == (round(mean, 4), round(std, 4))
