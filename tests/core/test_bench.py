from __future__ import annotations

import json
from collections import Counter

import pytest

from fer_core.bench import inference
from fer_core.cli import main
from fer_core.inference.export import TOLERANCE
from fer_core.workspace import Workspace
from tests.factories import untrained_checkpoint


@pytest.mark.slow
def test_engines_are_compared_on_the_same_faces(tmp_path, capsys):
    checkpoint = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    assert main(["bench", "infer", checkpoint, "--rounds", "1", "--json"]) == 0
    engines = json.loads(capsys.readouterr().out)[checkpoint]
    assert set(engines) == {"torch", "torch_channels_last", "onnxruntime"}
    for figures in engines.values():
        low, high = figures["batch1_spread_ms"]
        assert low == figures["batch1_ms"] == high, "of one round"
        assert figures["max_probability_difference"] <= TOLERANCE
    assert engines["torch_channels_last"]["max_probability_difference"] == 0


@pytest.mark.slow
def test_the_figures_are_medians_over_the_rounds_without_the_warm_up(tmp_path, monkeypatch):
    checkpoint = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    asked: Counter[int] = Counter()

    def seconds(call, faces, times):
        asked[len(faces)] += 1
        turn = (asked[len(faces)] - 1) // 3  # of three engines; turn 0 warms up
        return {1: [9, 0.004, 0.001, 0.002], 64: [9, 0.016, 0.064, 0.032]}[len(faces)][turn]

    monkeypatch.setattr(inference, "_seconds", seconds)
    for figures in inference.bench_infer([checkpoint], rounds=3, workspace=Workspace.default())[checkpoint].values():
        assert figures["batch1_ms"] == pytest.approx(2)
        assert figures["batch1_spread_ms"] == pytest.approx([1, 4])
        assert figures["batch64_images_per_second"] == pytest.approx(2000)
    assert asked == {1: 12, 64: 12}
