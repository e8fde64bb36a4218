from __future__ import annotations

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.cli import main
from fer_core.data import load
from fer_core.errors import DataError, ModelError
from fer_core.evaluation import Evaluation, Predictions, evaluate
from fer_core.inference import Classifier
from tests.factories import make_dataset, untrained_checkpoint
from tests.source_factory import png, rows, tree, write_csv, write_folder

SEVEN = ClassList.fer2013().names


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


def test_predictions_survive_the_disk(classifier, tmp_path):
    _, predictions = evaluate(classifier, make_dataset(), "valid")
    predictions.save(tmp_path / "p.npz")
    again = Predictions.read(tmp_path / "p.npz")
    np.testing.assert_array_equal(again.logits, predictions.logits)
    np.testing.assert_array_equal(again.ids, predictions.ids)
    assert Evaluation.of(again, "valid").to_dict() == Evaluation.of(predictions, "valid").to_dict()


def test_a_damaged_predictions_file_is_refused(tmp_path):
    path = tmp_path / "p.npz"
    for content in (b"", b"PK\x03\x04 no zip", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="Evaluate again"):
            Predictions.read(path)


def test_flip_averages_the_logits_of_a_face_and_its_mirror_image(classifier):
    dataset = make_dataset()
    faces = dataset.images[dataset.indices("test")]
    _, predictions = evaluate(classifier, dataset, "test", tta="flip")
    expected = (classifier.logits(faces) + classifier.logits(faces[:, :, ::-1])) / 2
    np.testing.assert_allclose(predictions.logits, expected, atol=1e-6)


def test_progress_ends_at_its_total(classifier):
    seen = []
    evaluate(classifier, make_dataset(), "test", tta="flip", on_progress=lambda *x: seen.append(x))
    assert seen[-1] == (140, 140)
    assert seen == sorted(seen)


def test_classes_in_another_order_are_mapped_by_name(tmp_path):
    shuffled = tuple(reversed(SEVEN))
    plain = Classifier.load(untrained_checkpoint(tmp_path / "a.safetensors"))
    other = Classifier.load(untrained_checkpoint(tmp_path / "b.safetensors", labels=shuffled))
    dataset = make_dataset()
    expected = evaluate(plain, dataset, "test")[1].logits[:, ::-1]
    np.testing.assert_allclose(evaluate(other, dataset, "test")[1].logits, expected, atol=1e-6)


def test_other_classes_are_refused_with_both_lists(tmp_path):
    names = tuple(f"own {i}" for i in range(7))
    other = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", labels=names))
    with pytest.raises(ModelError, match=r"own 0.*angry.*no name in common"):
        evaluate(other, make_dataset(), "test")


def test_an_empty_split_is_refused_with_the_counts(classifier):
    with pytest.raises(DataError, match=r"no faces in its test split.*train 140"):
        evaluate(classifier, make_dataset(test=0), "test")


def test_a_split_without_labels_is_refused_and_the_images_left_out_are_named(classifier, tmp_path):
    unlabeled = {f"test/to be sorted/{i}.png": png(90 + i) for i in range(7)}
    source = write_folder(tmp_path / "faces", {**tree(splits=("train", "valid")), **unlabeled})
    with pytest.raises(
        DataError,
        match=r"no faces in its test split.*Excluded 7 images in folders that name no emotion: 'test/to be sorted'",
    ):
        evaluate(classifier, load(str(source), classes="emotions"), "test")


def test_a_csv_without_labels_in_one_split_is_refused_by_its_rows_and_skipped_only_when_asked(tmp_path, capsys):
    unlabeled = [("", pixels, "PrivateTest") for _, pixels, _ in rows(3)]
    source = str(write_csv(tmp_path / "challenge.csv", [*rows(7), *unlabeled]))
    model = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    assert main(["evaluate", model, "--data", source]) == 2
    assert "3 of 10 faces cannot be read: row 7 (line 9) has the label ''" in capsys.readouterr().err
    assert main(["evaluate", model, "--data", source, "--skip-unreadable"]) == 2
    assert "no faces in its test split (train 7 · valid 0 · test 0). Skipped: 3 of 10 faces" in capsys.readouterr().err
    assert main(["evaluate", model, "--data", source, "--skip-unreadable", "--split", "train"]) == 0
    assert "n = 7" in capsys.readouterr().out


def test_a_split_of_nothing_but_copies_is_printed_without_a_deduplicated_accuracy(tmp_path, capsys):
    source = write_folder(tmp_path / "faces", {**tree(splits=("train",)), **tree(splits=("test",))})
    model = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    assert main(["evaluate", model, "--data", str(source)]) == 0
    assert "deduplicated: – (n = 0)" in capsys.readouterr().out
