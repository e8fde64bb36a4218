"""What is shipped keeps what its card promises."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fer_core.classes import ClassList
from fer_core.data.votes import label_by_votes
from fer_core.evaluation.report import evaluate_split
from fer_core.inference import Classifier, read_info, resolve_model, shipped_models
from fer_core.inference.checkpoint import update_info
from fer_core.models import build, count_macs, count_parameters
from fer_core.resources import asset
from fer_core.workspace import Workspace
from tests.benchmarks.calibrate import SENSITIVITIES, calibrate
from tests.paths import PROJECT_ROOT

NAMES = shipped_models()
FOR_VOTES = ("compact-people", "seed-people")
ROUNDING = 0.0005  # cards give three decimals


LEAST_ACCURACY = {"compact": 0.7285, "seed": 0.69, "compact-people": 0.875, "seed-people": 0.85}
"""On PrivateTest at sensitivity 0: of the labels, or FER+ accuracy."""
LEAST_AGREEMENT = {"compact-people": 0.685}


def card(name: str) -> str:
    return asset("models", f"{name}.md").read_text(encoding="utf-8")


def promised(name: str, split: str) -> float:
    """The accuracy in the card's row that begins with ``| split |``."""
    row = re.search(rf"^\| {re.escape(split)} \|[^|]*\| \**([0-9.]+)\** \|", card(name), re.MULTILINE)
    assert row, f"the card of {name} has no row for {split}"
    return float(row.group(1))


def promised_agreement(name: str, who: str) -> float:
    """The rater agreement in the card's row that begins with ``| who |``."""
    row = re.search(rf"^\| {re.escape(who)} \| ([0-9.]+) \|", card(name), re.MULTILINE)
    assert row, f"the card of {name} has no row for {who}"
    return float(row.group(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.real_data
def test_figures_on_privatetest_are_not_below_the_card(name, fer2013):
    classifier = Classifier.load(name, sensitivity=0)
    votes = classifier.info.target == "votes"
    dataset = label_by_votes(fer2013) if votes else fer2013
    found = evaluate_split(classifier, dataset, "test", workspace=Workspace.default())
    assert found.evaluation.n == (3153 if votes else 3589)
    assert found.evaluation.accuracy >= promised(name, "PrivateTest") - ROUNDING
    assert found.evaluation.accuracy >= LEAST_ACCURACY[name]
    assert found.agreement is not None
    assert found.agreement.n == 3569
    agreement = promised_agreement(name, f"`{name}`, sensitivity 0")
    assert found.agreement.model >= agreement - ROUNDING
    assert agreement >= LEAST_AGREEMENT.get(name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOR_VOTES)
@pytest.mark.real_data
def test_the_default_sensitivity_costs_what_the_card_says(name, fer2013):
    classifier = Classifier.load(name)
    found = evaluate_split(classifier, label_by_votes(fer2013), "test", workspace=Workspace.default())
    row = f"PrivateTest, sensitivity {classifier.sensitivity:g}"
    assert found.evaluation.accuracy == pytest.approx(promised(name, row), abs=2 * ROUNDING)
    agreement = promised_agreement(name, f"`{name}`, sensitivity {classifier.sensitivity:g}")
    assert found.agreement is not None
    assert found.agreement.model == pytest.approx(agreement, abs=2 * ROUNDING)


@pytest.mark.parametrize("name", NAMES)
def test_the_record_in_the_file_agrees_with_the_card(name):
    info = read_info(resolve_model(name, Workspace.default()))
    assert info.protocol == "official"
    assert promised(name, "PublicTest (used for selection)") == pytest.approx(
        info.metrics["valid"]["accuracy"], abs=ROUNDING
    )
    assert f"{info.temperature:.2f}" in card(name)
    assert f"{info.abstain_below:.2f}" in card(name)
    assert info.config["data"] == "fer2013.zip", "a path of one machine stands in the record"
    assert not re.search(r"[/\\]", json.dumps(info.to_dict(), ensure_ascii=False)), "a path stands in the record"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.real_data
def test_prior_and_calibration_are_those_fitted_on_publictest(name, fer2013_zip, tmp_path):
    shipped = read_info(resolve_model(name, Workspace.default()))
    copy = Path(shutil.copy(resolve_model(name, Workspace.default()), tmp_path / "copy.safetensors"))
    update_info(copy, temperature=1.0, abstain_below=0.0, prior=(), sensitivity=0.0, calibration=(), metrics={})
    fitted = calibrate(copy, str(fer2013_zip))
    assert fitted.prior == pytest.approx(shipped.prior, abs=1e-6)
    assert fitted.sensitivity == shipped.sensitivity
    for ours, theirs in zip(fitted.calibration, shipped.calibration, strict=True):
        assert ours.sensitivity == theirs.sensitivity
        assert ours.temperature == pytest.approx(theirs.temperature, abs=1e-3)
        assert ours.abstain_below == theirs.abstain_below
    assert fitted.temperature == pytest.approx(shipped.temperature, abs=1e-3)
    assert fitted.abstain_below == pytest.approx(shipped.abstain_below)
    assert fitted.metrics["valid"]["accuracy"] == pytest.approx(shipped.metrics["valid"]["accuracy"], abs=ROUNDING)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_table_of_the_record(name):
    info = read_info(resolve_model(name, Workspace.default()))
    assert [point.sensitivity for point in info.calibration] == list(SENSITIVITIES)
    for point in info.calibration:
        fitted = f"{point.temperature:.2f} | {point.abstain_below:.2f} |"
        assert re.search(rf"^\| {point.sensitivity:g} \|.*\| {re.escape(fitted)}$", card(name), re.MULTILINE)
    assert f"default sensitivity is {info.sensitivity:g}" in " ".join(card(name).split())
    assert sum(info.prior) == pytest.approx(1)


def test_models_for_votes_have_the_eight_classes_and_are_a_little_sensitive():
    for name in FOR_VOTES:
        info = read_info(resolve_model(name, Workspace.default()))
        assert info.target == "votes"
        assert info.classes.same_as(ClassList.ferplus())
        assert 0.4 <= info.sensitivity <= 0.7
        assert min(zip(info.prior, info.labels, strict=True))[1] in ("contempt", "disgust")
    for name in ("compact", "seed"):
        info = read_info(resolve_model(name, Workspace.default()))
        assert (info.target, info.classes, info.sensitivity) == ("labels", ClassList.fer2013(), 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_names_the_size_of_the_network(name):
    info = read_info(resolve_model(name, Workspace.default()))
    model = build(info.architecture, **info.model_args)
    assert f"{count_parameters(model):,} parameters" in card(name)
    assert f"{count_macs(model) / 1e6:.1f} million multiply-accumulates" in card(name)


def test_compact_stays_within_what_a_webcam_can_afford():
    model = build("compact")
    assert count_parameters(model) <= 3_000_000
    assert count_macs(model) <= 120_000_000


@pytest.mark.parametrize("name", NAMES)
def test_cards_and_log_say_what_a_reader_needs(name):
    text = card(name)
    for word in ("Use.", "Data and protocol.", "Recipe.", "Metrics", "Calibration.", "Known failures.", "License."):
        assert word in text
    assert "python -m fer_core train" in text
    assert f"`{name}`" in (PROJECT_ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
