"""What is shipped keeps what its card promises."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fer_core.data import load
from fer_core.evaluation import evaluate
from fer_core.inference import Classifier, read_info, resolve_model, shipped_models
from fer_core.inference.checkpoint import update_info
from fer_core.models import build, count_macs, count_parameters
from fer_core.resources import asset
from fer_core.workspace import Workspace
from tests.benchmarks.calibrate import calibrate
from tests.paths import PROJECT_ROOT

NAMES = shipped_models()
ROUNDING = 0.0005  # cards give three decimals


def card(name: str) -> str:
    return asset("models", f"{name}.md").read_text(encoding="utf-8")


def promised(name: str, split: str) -> float:
    """The accuracy in the card's row that begins with ``| split |``."""
    row = re.search(rf"^\| {re.escape(split)} \|[^|]*\| \**([0-9.]+)\** \|", card(name), re.MULTILINE)
    assert row, f"the card of {name} has no row for {split}"
    return float(row.group(1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.real_data
def test_accuracy_on_privatetest_is_not_below_the_card(name, fer2013_zip):
    found, _ = evaluate(Classifier.load(name), load(str(fer2013_zip)), "test")
    assert found.n == 3589
    assert found.accuracy >= promised(name, "PrivateTest") - ROUNDING


@pytest.mark.parametrize("name", NAMES)
def test_the_record_in_the_file_agrees_with_the_card(name):
    info = read_info(resolve_model(name, Workspace.default()))
    assert info.protocol == "official"
    assert promised(name, "PublicTest (chosen on)") == pytest.approx(info.metrics["valid"]["accuracy"], abs=ROUNDING)
    assert f"{info.temperature:.2f}" in card(name)
    assert f"{info.abstain_below:.2f}" in card(name)
    assert info.config["data"] == "fer2013.zip", "a path of one machine stands in the record"
    assert not re.search(r"[/\\]", json.dumps(info.to_dict(), ensure_ascii=False)), "a path stands in the record"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.real_data
def test_temperature_and_threshold_are_those_fitted_on_publictest(name, fer2013_zip, tmp_path):
    shipped = read_info(resolve_model(name, Workspace.default()))
    copy = Path(shutil.copy(resolve_model(name, Workspace.default()), tmp_path / "copy.safetensors"))
    update_info(copy, temperature=1.0, abstain_below=0.0, metrics={})
    fitted = calibrate(copy, str(fer2013_zip))
    assert fitted.temperature == pytest.approx(shipped.temperature, abs=1e-3)
    assert fitted.abstain_below == shipped.abstain_below
    assert fitted.metrics["valid"]["accuracy"] == pytest.approx(shipped.metrics["valid"]["accuracy"], abs=ROUNDING)


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
    for word in ("Use.", "Data and protocol.", "Recipe.", "Figures", "Calibration.", "Known failures.", "Licence."):
        assert word in text
    assert "python -m fer_core train" in text
    assert f"`{name}`" in (PROJECT_ROOT / "fer_core" / "models" / "README.md").read_text(encoding="utf-8")
