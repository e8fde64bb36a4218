from __future__ import annotations

import json

from fer_core.cli import main
from fer_core.inference.export import TOLERANCE
from tests.factories import untrained_checkpoint


def test_engines_are_compared_on_the_same_faces(tmp_path, capsys):
    checkpoint = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    assert main(["bench", "infer", checkpoint, "--rounds", "1", "--json"]) == 0
    engines = json.loads(capsys.readouterr().out)[checkpoint]
    assert set(engines) == {"torch", "torch_channels_last", "onnxruntime"}
    for figures in engines.values():
        assert figures["batch1_ms"] > 0
        assert figures["batch64_images_per_second"] > 0
        assert figures["max_probability_difference"] <= TOLERANCE
