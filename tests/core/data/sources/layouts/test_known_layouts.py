"""Small copies of the layouts of known data sets, read by their own labels."""

from __future__ import annotations

import itertools

import pytest

from fer_core.data import FaceDataset, load
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.errors import DataError
from tests.source_factory import png, write_folder, write_zip


def read(tmp_path, files: dict[str, bytes], name: str = "faces", **options) -> FaceDataset:
    """The data set of a zip and of the folder of its files, which must be equal."""
    zipped = load(write_zip(tmp_path / f"{name}.zip", files), **options)
    folder = load(write_folder(tmp_path / name, files), **options)
    assert folder.fingerprint == zipped.fingerprint
    return folder


def labels(dataset: FaceDataset) -> dict[str, str]:
    return {str(face): dataset.label_name(i) for i, face in enumerate(dataset.ids)}


RAF = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")


@pytest.mark.parametrize("list_name", ["EmoLabel/list_patition_label.txt", "list_partition_label.txt"])
def test_raf_db_is_read_by_its_list(tmp_path, list_name):
    lines, files = [], {}
    for i, split in itertools.product(range(7), ("train", "test")):
        stem = f"{split}_{i + 1:05}"
        lines.append(f"{stem}.jpg {i + 1}")
        files[f"basic/Image/aligned/{stem}_aligned.jpg"] = png(i)
        files[f"basic/Image/original/{stem}.jpg"] = png(50 + i)
    files[f"basic/{list_name}"] = "\n".join(lines).encode()
    dataset = read(tmp_path, files)
    assert labels(dataset) == {
        f"basic/Image/aligned/{split}_{i + 1:05}_aligned.jpg": name
        for i, name in enumerate(RAF)
        for split in ("train", "test")
    }
    assert dataset.counts() == {"train": 7, "valid": 0, "test": 7}
    assert any("Excluded 14 images" in warning and "original" in warning for warning in dataset.warnings)


def test_raf_db_is_read_by_its_folders(tmp_path):
    files = {
        f"DATASET/{split}/{i + 1}/{split}_{i:05}_aligned.jpg": png(i) for i in range(7) for split in ("train", "test")
    }
    dataset = read(tmp_path, files)
    assert labels(dataset)["DATASET/test/4/test_00003_aligned.jpg"] == "happy"
    assert {labels(dataset)[f"DATASET/train/{i + 1}/train_{i:05}_aligned.jpg"] for i in range(7)} == set(RAF)


def test_a_damaged_list_of_raf_db_is_refused_with_its_line(tmp_path):
    files = {"list_patition_label.txt": b"train_00001.jpg 5\ntrain_00002.jpg 9\n", "train_00001.jpg": png(1)}
    with pytest.raises(DataError, match=r"line 2 of list_patition_label.txt must have a file name and a label 1…7"):
        read(tmp_path, files)


@pytest.mark.parametrize("top", ["AffectNet/{split}/{number}", "{split}_set/{number}"])
def test_affectnet_is_read_by_its_numbers(tmp_path, top):
    files = {
        f"{top.format(split=split, number=i)}/{split}{i}.png": png(i) for i in range(8) for split in ("train", "val")
    }
    dataset = read(tmp_path, files)
    assert dataset.classes.names == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
    assert [labels(dataset)[f"{top.format(split='val', number=i)}/val{i}.png"] for i in range(8)] == list(AFFECTNET)
    assert dataset.counts() == {"train": 8, "valid": 8, "test": 0}
    assert dataset.warnings[0].startswith(
        "The numbers of the folders were read as AffectNet's labels (0 neutral, 1 happy"
    )
    assert load(tmp_path / "faces", classes="folders").classes.names == tuple(map(str, range(8)))


def test_numbered_folders_of_unknown_data_stay_numbers_until_the_user_chooses(tmp_path):
    files = {f"data/{i}/{i}.png": png(i) for i in range(7)}
    dataset = read(tmp_path, files)
    assert dataset.classes.names == tuple(map(str, range(7)))
    (warning,) = dataset.warnings
    assert "--classes affectnet: 0 neutral" in warning
    assert "--classes fer2013: 0 angry" in warning
    assert "raf-db" not in warning  # has no 0
    for choice, first in (("affectnet", "neutral"), ("fer2013", "angry"), ("ferplus", "neutral")):
        assert labels(read(tmp_path, files, classes=choice))["data/0/0.png"] == first


def ferplus_rows(*counts: dict[str, int]) -> bytes:
    rows = []
    for i, votes in enumerate(counts):
        cells = ",".join(str(votes.get(column, 0)) for column in FERPLUS_COLUMNS)
        rows.append(f'fer{i:07}.png,"(0, 0, 48, 48)",{cells}')
    return "\n".join(rows).encode()


def test_the_folders_that_ferplus_generates_are_read_by_their_votes(tmp_path):
    tables = {
        "FER2013Train": ({"happiness": 9, "neutral": 1}, {"sadness": 6, "anger": 4}, {"anger": 5, "fear": 5}),
        "FER2013Valid": ({"contempt": 10},),
        "FER2013Test": ({"neutral": 7, "NF": 3}, {"NF": 10}),
    }
    files = {}
    for folder, counts in tables.items():
        files[f"data/{folder}/label.csv"] = ferplus_rows(*counts)
        files |= {f"data/{folder}/fer{i:07}.png": png(i) for i in range(len(counts))}
    dataset = read(tmp_path, files)
    assert labels(dataset) == {
        "data/FER2013Train/fer0000000.png": "happy",
        "data/FER2013Train/fer0000001.png": "sad",
        "data/FER2013Valid/fer0000000.png": "contempt",
        "data/FER2013Test/fer0000000.png": "neutral",
    }
    assert dataset.counts() == {"train": 2, "valid": 1, "test": 1}
    assert dataset.vote_columns == FERPLUS_COLUMNS
    assert dataset.votes is not None
    assert dataset.votes.sum(axis=1).tolist() == [10] * 4
    assert any("Excluded 2 images on whose emotion the votes are tied" in warning for warning in dataset.warnings)
    assert load(tmp_path / "faces", truth="votes").classes.names[-1] == "contempt"


def test_jaffe_is_read_by_its_file_names(tmp_path):
    codes = {
        "AN": "angry",
        "DI": "disgust",
        "FE": "fear",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprise",
    }
    files = {f"jaffe/{who}.{code}{i}.{9 * i}.tiff": png(i) for who in ("KA", "YM") for i, code in enumerate(codes)}
    dataset = read(tmp_path, {**files, "jaffe/README": b"text"})
    assert labels(dataset)["jaffe/YM.FE2.18.tiff"] == "fear"
    assert set(labels(dataset).values()) == set(codes.values())
    assert dataset.groups is not None
    assert set(dataset.groups.tolist()) == {"KA", "YM"}
    assert "Not read: 1 file that is not an image: 1 file without extension ('jaffe/README')." in dataset.warnings


def test_kdef_is_read_by_its_file_names(tmp_path):
    codes = {
        "AF": "fear",
        "AN": "angry",
        "DI": "disgust",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprise",
    }
    files = {
        f"KDEF/{session}{who}/{session}{who}{code}{angle}.JPG": png(i)
        for session in "AB"
        for who in ("F01", "M02")
        for i, code in enumerate(codes)
        for angle in ("S", "HL", "FR")
    }
    dataset = read(tmp_path, files)
    assert labels(dataset)["KDEF/BF01/BF01AFHL.JPG"] == "fear"
    assert set(labels(dataset).values()) == set(codes.values())
    assert dataset.groups is not None
    assert set(dataset.groups.tolist()) == {"F01", "M02"}  # both sessions of a person are one group


def test_folders_of_emotions_precede_the_file_names(tmp_path):
    files = {"sad/KA.HA1.1.png": png(1), "happy/KA.SA1.2.png": png(2)}
    assert labels(read(tmp_path, files)) == {"sad/KA.HA1.1.png": "sad", "happy/KA.SA1.2.png": "happy"}


def test_a_csv_beside_the_images_gives_labels_and_splits(tmp_path):
    table = b"file,emotion,split\na.png,happiness,train\nb.png,sadness,test\nc.png,anger,valid\ngone.png,fear,train\n"
    files = {"images/a.png": png(1), "images/b.png": png(2), "images/c.png": png(3), "images/d.png": png(4)}
    dataset = read(tmp_path, {**files, "labels.csv": table})
    assert labels(dataset) == {"images/a.png": "happy", "images/b.png": "sad", "images/c.png": "angry"}
    assert dict(zip(dataset.ids.tolist(), dataset.split.tolist(), strict=True)) == {
        "images/a.png": "train",
        "images/b.png": "test",
        "images/c.png": "valid",
    }
    assert "labels.csv names 1 files that are not in the source." in dataset.warnings
    assert "1 image without a label in labels.csv: 'images/d.png'." in dataset.warnings


def test_numbers_in_a_csv_beside_the_images_are_read_when_their_meaning_was_chosen(tmp_path):
    files = {"a.png": png(1), "b.png": png(2), "labels.csv": b"image,label\na.png,0\nb.png,1.0\n"}
    with pytest.raises(DataError, match=r"labels the images by numbers.*--classes affectnet"):
        read(tmp_path, files)
    assert labels(read(tmp_path, files, classes="affectnet")) == {"a.png": "neutral", "b.png": "happy"}
    assert labels(read(tmp_path, files, classes="fer2013")) == {"a.png": "angry", "b.png": "disgust"}


# ------------------------------------------------------------------------------------------------ splits


@pytest.mark.parametrize("form", ["table", "lists"])
def test_a_split_file_decides_before_folders_and_file_names(tmp_path, form):
    files = {
        "train/happy/PrivateTest_1.png": png(1),
        "train/sad/PublicTest_2.png": png(2),
        "test/happy/Training_3.png": png(3),
        "test/sad/4.png": png(4),
    }
    splits = {"PrivateTest_1.png": "valid", "PublicTest_2.png": "train", "Training_3.png": "train"}
    if form == "table":
        files["split.csv"] = "\n".join(["file,split", *(f"{name},{split}" for name, split in splits.items())]).encode()
    else:
        for split in ("train", "valid"):
            files[f"{split}.txt"] = "\n".join(name for name, into in splits.items() if into == split).encode()
    dataset = read(tmp_path, files)
    found = {face.rpartition("/")[2]: split for face, split in zip(dataset.ids, dataset.split, strict=True)}
    assert found == splits
    assert any("Excluded 1 image that no split file lists." in warning for warning in dataset.warnings)


def test_a_text_file_that_is_no_split_file_is_not_used_and_said(tmp_path):
    files = {"happy/1.png": png(1), "sad/2.png": png(2), "train.txt": b"epoch 1 loss 2.3\nepoch 2 loss 1.9\n"}
    dataset = read(tmp_path, files)
    assert dataset.counts() == {"train": 2, "valid": 0, "test": 0}
    assert dataset.warnings == ("train.txt was not used as a split file: 0 of its 2 lines name one image.",)
