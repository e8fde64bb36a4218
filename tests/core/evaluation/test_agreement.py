from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.class_map import apply_class_map, make_class_map
from fer_core.data.cleaning import Cleaning
from fer_core.data.marks import marks_for
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.data.votes import label_by_votes
from fer_core.errors import ConfigError
from fer_core.evaluation.agreement import RatedPredictions, RaterAgreement, rater_agreement
from fer_core.evaluation.cache import cached_outputs, cached_predictions
from fer_core.evaluation.cells import cleaned_predictions
from fer_core.evaluation.evaluate import Outputs
from fer_core.evaluation.report import build_report, evaluate_split
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.inference.sensitivity import Adjustment
from tests.factories import entries, make_dataset, untrained_checkpoint

SEVEN, EIGHT = ClassList.fer2013(), ClassList.ferplus()


def votes(**counts: int) -> list[int]:
    return [counts.get(column, 0) for column in FERPLUS_COLUMNS]


def agreement(rows, predicted: list[str], labels: list[str], model: ClassList = EIGHT) -> RaterAgreement | None:
    return rater_agreement(
        np.array(rows), FERPLUS_COLUMNS,
        predicted=np.array([model.position(name) for name in predicted]), predicted_classes=model,
        labels=np.array([SEVEN.position(name) for name in labels]), classes=SEVEN,
    )  # fmt: skip


def test_agreement_by_hand():
    rows = [
        votes(anger=6, fear=3, NF=1),  # 6/10 angry, 3/10 fear; another person (6·5 + 3·2) / (10·9) = 0.4
        votes(contempt=5, unknown=5),  # contempt 1/2; another person 5·4 / 90
        votes(anger=4, unknown=6),  # four votes for expressions: does not count
    ]
    found = agreement(rows, ["angry", "contempt", "angry"], ["fear", "angry", "angry"])
    assert found is not None
    assert found.n == 2
    assert found.model == pytest.approx((0.6 + 0.5) / 2)
    assert found.label == pytest.approx((0.3 + 0) / 2)
    assert found.human == pytest.approx((0.4 + 20 / 90) / 2)
    assert found.ceiling == pytest.approx((0.6 + 0.5) / 2)
    for name in ("model", "human", "label", "ceiling"):
        low, high = found.ci95[name]
        assert low <= getattr(found, name) <= high
    assert json.loads(json.dumps(found.to_dict()))["ci95"]["label"] == [0.0, pytest.approx(0.3)]


def test_what_nobody_can_vote_for_agrees_with_nobody():
    odd = ClassList(("bored", "angry"))
    found = agreement([votes(anger=10), votes(anger=10)], ["bored", "angry"], ["angry", "angry"], model=odd)
    assert found is not None
    assert (found.model, found.label, found.human, found.ceiling) == (0.5, 1, 1, 1)


@pytest.mark.parametrize("row", [votes(), votes(NF=10), votes(unknown=10), votes(anger=4), votes(anger=4, NF=6)])
def test_faces_without_five_votes_for_expressions_do_not_count(row):
    assert agreement([row], ["angry"], ["angry"]) is None


def test_agreement_agrees_with_two_raters_drawn_at_random():
    rng = np.random.default_rng(1)
    rows = rng.multinomial(10, [0.3, 0.25, 0.1, 0.1, 0.05, 0.05, 0.05, 0.02, 0.04, 0.04], 40)
    predicted, labels = rng.integers(8, size=40), rng.integers(7, size=40)
    found = rater_agreement(
        rows, FERPLUS_COLUMNS, predicted=predicted, predicted_classes=EIGHT, labels=labels, classes=SEVEN
    )
    model, human, label, ceiling = [], [], [], []
    for row, said, own in zip(rows.tolist(), predicted, labels, strict=True):
        if sum(row[:8]) < 5:
            continue
        ballots = [column for column, count in zip(FERPLUS_COLUMNS, row, strict=True) for _ in range(count)]
        names = [EIGHT.find(ballot) for ballot in ballots]
        pairs = [(a, b) for i, a in enumerate(names) for k, b in enumerate(names) if i != k]
        model.append(np.mean([name == said for name in names]))
        label.append(np.mean([name == own for name in names]))
        human.append(np.mean([a is not None and a == b for a, b in pairs]))
        ceiling.append(max(names.count(i) for i in range(8)) / len(names))
    assert found is not None
    assert found.n == len(model)
    figures = (found.model, found.human, found.label, found.ceiling)
    assert figures == pytest.approx([np.mean(each) for each in (model, human, label, ceiling)])


def test_the_intervals_are_those_of_a_mean_and_the_same_each_time():
    rng = np.random.default_rng(0)
    rows = rng.multinomial(10, [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0], 2000)
    arguments = {
        "predicted": np.full(2000, 6),
        "predicted_classes": SEVEN,
        "labels": np.full(2000, 3),
        "classes": SEVEN,
    }
    found = rater_agreement(rows, FERPLUS_COLUMNS, **arguments)  # type: ignore[arg-type]
    again = rater_agreement(rows, FERPLUS_COLUMNS, **arguments)  # type: ignore[arg-type]
    assert found is not None
    assert found == again
    deviation = (rows[:, 0] / 10).std() / np.sqrt(2000)
    low, high = found.ci95["model"]
    assert (low, high) == pytest.approx((found.model - 1.96 * deviation, found.model + 1.96 * deviation), abs=3e-4)


def test_the_sentence_has_the_figures_and_their_n():
    found = RaterAgreement(3569, 0.690, 0.603, 0.559, 0.739, {})
    assert found.sentence("FER2013's label") == (
        "The model agrees with a random human rater 69% of the time (another rater: 60%; FER2013's label: 56%; "
        "n = 3,569)."
    )


@pytest.mark.real_data
def test_the_figures_of_people_on_privatetest_are_the_known_ones(fer2013):
    test = fer2013.indices("test")
    rows, labels = fer2013.votes[test], fer2013.labels[test]
    found = rater_agreement(
        rows, fer2013.vote_columns, predicted=labels, predicted_classes=SEVEN, labels=labels, classes=SEVEN
    )
    assert found is not None
    assert found.n == 3569
    assert (found.human, found.label, found.ceiling) == pytest.approx((0.603, 0.559, 0.739), abs=0.0005)
    assert found.model == found.label
    assert all(0.01 < high - low < 0.03 for low, high in found.ci95.values())


def rated(rows, logits, classes: ClassList = EIGHT, columns: tuple[str, ...] = FERPLUS_COLUMNS) -> RatedPredictions:
    base = make_dataset(train=0, valid=0, test=len(rows))
    dataset = replace(base, votes=np.array(rows), vote_columns=columns)
    return RatedPredictions(dataset, np.arange(len(rows)), np.array(logits, np.float32), classes)


def sure(name: str, probability: float, classes: ClassList = EIGHT) -> list[float]:
    """Logits that give one class this probability and the others the rest in equal parts."""
    share = np.full(len(classes), (1 - probability) / (len(classes) - 1))
    share[classes.position(name)] = probability
    return np.log(share).tolist()


def test_cross_entropy_with_the_votes_by_hand():
    found = rated(
        [votes(anger=6, fear=4), votes(NF=10), votes(contempt=8, anger=2)],
        [sure("angry", 0.6), sure("happy", 0.9), sure("contempt", 0.7)],
    )
    other = 0.4 / 7
    first = -(0.6 * np.log(0.6) + 0.4 * np.log(other))
    last = -(0.8 * np.log(0.7) + 0.2 * np.log(0.3 / 7))
    value, n = found.cross_entropy()
    assert n == 2
    assert value == pytest.approx((first + last) / 2)
    warm, _ = replace(found, temperature=2.0).cross_entropy()
    assert warm != pytest.approx(value)
    assert found.subset(np.array([False, True, False])).cross_entropy() == (None, 0)
    # seven classes cannot name contempt: its votes are like those for "unknown", and the last face has no target
    seven = rated([votes(anger=6, fear=4), votes(contempt=8, anger=2)], [sure("angry", 0.6, SEVEN)] * 2, SEVEN)
    assert seven.cross_entropy() == (pytest.approx(-(0.6 * np.log(0.6) + 0.4 * np.log(0.4 / 6))), 1)


def test_partings_are_ordered_by_how_sure_each_side_is():
    found = rated(
        [
            votes(anger=10),
            votes(happiness=6, neutral=4),
            votes(happiness=5, neutral=5),  # a tie: the model names one of the most voted
            votes(sadness=9, contempt=1),
            votes(anger=3, NF=7),  # too few votes for expressions
            votes(contempt=7, NF=3),
        ],
        [
            sure("angry", 0.9),
            sure("neutral", 0.95),
            sure("neutral", 0.9),
            sure("angry", 0.6),
            sure("happy", 0.9),
            sure("sad", 0.7),
        ],
    )
    both = found.disagreements()
    assert both.faces.tolist() == [1, 3, 5]
    assert both.predicted.tolist() == ["neutral", "angry", "sad"]
    assert both.people.tolist() == ["happy", "sad", "contempt"]
    np.testing.assert_allclose(both.confidence, [0.95, 0.6, 0.7], rtol=1e-6)
    np.testing.assert_allclose(both.share, [0.6, 0.9, 0.7])
    assert found.disagreements("model").faces.tolist() == [1, 5, 3]
    assert found.disagreements("people").faces.tolist() == [3, 5, 1]
    assert len(found.subset(np.array([True] + [False] * 5)).disagreements()) == 0
    with pytest.raises(ConfigError, match="Choose one of both, model, people"):
        found.disagreements("loudest")  # type: ignore[arg-type]


@pytest.fixture
def checkpoint(tmp_path):
    return untrained_checkpoint(tmp_path / "people.safetensors", labels=EIGHT.names, temperature=1.5)


def voted_dataset(test: int = 40):
    """Faces with votes; each fourth has no majority, though enough votes for rater agreement."""
    base = make_dataset(train=16, valid=8, test=test)
    rows = np.array(
        [votes(anger=4, fear=4, happiness=2) if i % 4 == 0 else votes(happiness=9, NF=1) for i in range(len(base))]
    )
    return replace(base, votes=rows, vote_columns=FERPLUS_COLUMNS)


def test_rated_faces_are_the_same_whatever_the_truth(checkpoint, workspace):
    dataset = voted_dataset()
    classifier = Classifier.load(checkpoint)
    by_labels = evaluate_split(classifier, dataset, "test", workspace=workspace)
    by_votes = evaluate_split(classifier, label_by_votes(dataset), "test", workspace=workspace)
    assert (by_labels.evaluation.n, by_votes.evaluation.n) == (40, 30)
    assert by_votes.agreement == by_labels.agreement
    assert by_votes.agreement is not None
    assert by_votes.agreement.n == 40
    assert by_votes.votes.cross_entropy == pytest.approx(by_labels.votes.cross_entropy)
    record = json.loads(json.dumps(by_votes.to_dict(), allow_nan=False))
    assert record["rater_agreement"] == by_votes.agreement.to_dict()
    assert set(record["rater_agreement"]) == {"n", "model", "human", "label", "ceiling", "ci95"}
    assert record["votes_cross_entropy_n"] == 40
    assert record["deduplicated"]["rater_agreement"]["n"] == 40
    assert record["sentences"][0].startswith("The model agrees with a random human rater")
    assert "FER2013's label" in record["sentences"][0]


def test_agreement_is_given_again_without_duplicates(checkpoint, workspace):
    dataset = voted_dataset()
    images = dataset.images.copy()
    test = dataset.indices("test")
    images[test[:8]] = images[:8]
    report = evaluate_split(
        Classifier.load(checkpoint), label_by_votes(replace(dataset, images=images)), "test", workspace=workspace
    )
    alone = report.deduplicated.votes
    assert report.agreement is not None
    assert alone.agreement is not None
    assert (report.agreement.n, alone.agreement.n) == (40, 32)
    assert (report.votes.cross_entropy_n, alone.cross_entropy_n) == (40, 32)


def test_marks_count_for_rated_faces_when_asked(checkpoint, workspace):
    dataset = voted_dataset()
    marks_for(dataset, workspace).add([str(dataset.ids[dataset.indices("test")[0]])], "not_a_face")
    classifier = Classifier.load(checkpoint)
    for data in (dataset, label_by_votes(dataset)):
        report = evaluate_split(classifier, data, "test", cleaning=Cleaning(use_marks=True), workspace=workspace)
        assert report.agreement is not None
        assert report.agreement.n == 39


def test_cached_outputs_serve_both_truths(checkpoint, workspace):
    dataset = voted_dataset()
    by_votes = label_by_votes(dataset)
    outputs = cached_outputs(checkpoint, by_votes, "test", workspace=workspace)
    assert np.array_equal(outputs.logits, cached_outputs(checkpoint, dataset, "test", workspace=workspace).logits)
    assert len(entries(workspace, "predictions")) == 1
    found = cleaned_predictions(outputs, by_votes, "test", workspace=workspace)
    direct = evaluate_split(Classifier.load(checkpoint), by_votes, "test", workspace=workspace)
    assert build_report(found, "test").to_dict() == direct.to_dict()
    predictions = cached_predictions(checkpoint, by_votes, "test", workspace=workspace)
    assert predictions.ids.tolist() == by_votes.ids[by_votes.indices("test")].tolist()
    np.testing.assert_array_equal(predictions.logits, direct.predictions.logits)


def test_agreement_is_among_the_classes_of_the_class_map(checkpoint, workspace, tmp_path):
    dataset = voted_dataset()
    merge = [("negative", ("angry", "disgust", "fear", "sad", "contempt"))]
    model = untrained_checkpoint(
        tmp_path / "two.safetensors", labels=("negative", "happy", "surprise", "neutral"), seed=3
    )
    by_votes = label_by_votes(dataset)
    mapped = apply_class_map(by_votes, make_class_map(by_votes.classes, merge))
    report = evaluate_split(Classifier.load(model), mapped, "test", workspace=workspace)
    assert report.agreement is not None
    assert report.agreement.n == 40
    # of ten voters eight now say negative to each fourth face, and nine happy to the others
    assert report.agreement.ceiling == pytest.approx((8 + 9 + 9 + 9) / 40)
    assert report.agreement.human == pytest.approx(((8 * 7 + 2) / 90 + 3 * 9 * 8 / 90) / 4)


def test_without_votes_there_is_no_agreement(checkpoint, workspace):
    report = evaluate_split(Classifier.load(checkpoint), make_dataset(), "test", workspace=workspace)
    record = report.to_dict()
    assert report.rated is None
    assert record["rater_agreement"] is None
    assert record["votes_cross_entropy"] is None
    assert record["votes_cross_entropy_n"] == 0
    assert not any("drawn at random" in sentence for sentence in record["sentences"])
    nobody = replace(make_dataset(), votes=np.zeros((280, 10), np.int64), vote_columns=FERPLUS_COLUMNS)
    assert evaluate_split(Classifier.load(checkpoint), nobody, "test", workspace=workspace).rated is None


def test_all_votes_for_not_a_face_leave_no_agreement(checkpoint, workspace):
    rows = np.array([votes(NF=10)] * 280)
    dataset = replace(make_dataset(), votes=rows, vote_columns=FERPLUS_COLUMNS)
    report = evaluate_split(Classifier.load(checkpoint), dataset, "test", workspace=workspace)
    assert report.agreement is None
    assert report.votes.cross_entropy_n == 0
    assert report.rated is not None
    assert len(report.rated.disagreements()) == 0


@pytest.mark.real_data
def test_truth_by_votes_keeps_every_rated_face_of_fer2013(fer2013, workspace):
    test = fer2013.indices("test")
    logits = np.random.default_rng(0).normal(size=(len(test), 8)).astype(np.float32)
    info = CheckpointInfo(architecture="seed", labels=EIGHT.names)
    outputs = Outputs(fer2013.ids[test], logits, info.classes, Adjustment.of(info, None))
    dataset = label_by_votes(fer2013)
    report = build_report(cleaned_predictions(outputs, dataset, "test", workspace=workspace), "test")
    assert report.evaluation.n == 3153
    assert report.agreement is not None
    assert report.agreement.n == 3569
    assert (report.agreement.human, report.agreement.label) == pytest.approx((0.603, 0.559), abs=0.0005)
    assert report.votes.cross_entropy_n == 3552
