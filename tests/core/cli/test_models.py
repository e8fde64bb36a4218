from __future__ import annotations

import json

import pytest

from fer_core.cli import main
from tests.factories import untrained_checkpoint
from tests.source_factory import png, write_folder

NAMES = ("cat", "dog")


@pytest.fixture
def source(tmp_path):
    """Eight faces with votes of ten people; two of them without a majority."""
    files = {f"test/{name}/{i}.png": png(40 * k + i) for k, name in enumerate(NAMES) for i in range(4)}
    folder = write_folder(tmp_path / "faces", files)
    rows = [f"{file},{'5,5,0' if file.endswith('0.png') else '8,1,1'}" for file in files]
    (folder / "votes.csv").write_text("\n".join(["file,cat,dog,nothing", *rows]))
    return str(folder)


@pytest.fixture
def model(tmp_path):
    return str(untrained_checkpoint(tmp_path / "pets.safetensors", labels=NAMES, prior=(0.9, 0.1)))


def run(capsys, *arguments: str) -> dict:
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_evaluate_tells_how_often_the_model_agrees_with_a_person(source, model, capsys):
    by_votes = run(capsys, model, "--data", source, "--truth", "votes")
    assert (by_votes["truth"], by_votes["n"], by_votes["sensitivity"]) == ("votes", 6, 0)
    agreement = by_votes["rater_agreement"]
    assert agreement["n"] == 8
    assert agreement["label"] == pytest.approx((2 * 0.5 + 3 * 0.8 + 3 * 0.1) / 8)
    assert agreement["human"] == pytest.approx((2 * 40 + 6 * 56) / 90 / 8)
    assert agreement["ceiling"] == pytest.approx((2 * 0.5 + 6 * 0.8) / 8)
    assert set(agreement["ci95"]) == {"model", "human", "label", "ceiling"}
    assert by_votes["votes_cross_entropy"] > 0
    assert by_votes["deduplicated"]["votes_cross_entropy_n"] == by_votes["votes_cross_entropy_n"] == 8
    by_labels = run(capsys, model, "--data", source)
    assert by_labels["n"] == 8
    assert by_labels["rater_agreement"] == agreement
    assert main(["evaluate", model, "--data", source]) == 0
    text = capsys.readouterr().out
    assert f"rater agreement {agreement['model']:.4f}" in text
    assert "The model agrees with a random human rater" in text
    assert "the data's own label: 46%; n = 8)." in text


def test_evaluate_takes_a_sensitivity(source, model, capsys):
    raw, even = (run(capsys, model, "--data", source, "--sensitivity", value) for value in ("0", "1"))
    assert (raw["sensitivity"], even["sensitivity"]) == (0, 1)
    assert even["per_class"]["dog"]["recall"] >= raw["per_class"]["dog"]["recall"]
    assert even["loss"] != raw["loss"]
    assert main(["evaluate", model, "--data", source, "--sensitivity", "0.5"]) == 0
    assert "sensitivity 0.5: accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan"])
def test_a_sensitivity_outside_its_range_is_refused(value, source, model, capsys):
    assert main(["evaluate", model, "--data", source, "--sensitivity", value]) == 2
    assert "between 0 and 1" in capsys.readouterr().err


def test_a_model_without_a_prior_has_no_sensitivity(source, tmp_path, capsys):
    plain = str(untrained_checkpoint(tmp_path / "plain.safetensors", labels=NAMES))
    assert main(["evaluate", plain, "--data", source, "--sensitivity", "0.5"]) == 2
    message = capsys.readouterr().err
    assert "how frequent each class was in training" in message
    assert "Traceback" not in message


def test_votes_for_not_a_face_alone_cannot_be_the_truth(source, model, tmp_path, capsys):
    votes = tmp_path / "faces" / "votes.csv"
    lines = votes.read_text().splitlines()
    votes.write_text("\n".join([lines[0], *(f"{line.partition(',')[0]},0,0,10" for line in lines[1:])]))
    assert main(["evaluate", model, "--data", source, "--truth", "votes"]) == 2
    assert "none of its 8 faces has a majority" in capsys.readouterr().err
    record = run(capsys, model, "--data", source)
    assert record["rater_agreement"] is None
    assert record["votes_cross_entropy_n"] == 0


def test_votes_on_a_part_of_the_faces_are_told_apart(source, model, tmp_path, capsys):
    votes = tmp_path / "faces" / "votes.csv"
    votes.write_text("\n".join(votes.read_text().splitlines()[:5]))
    record = run(capsys, model, "--data", source)
    assert record["n"] == 8
    assert record["rater_agreement"]["n"] == record["votes_cross_entropy_n"] == 4
