from __future__ import annotations

import pytest

from fer_core.config import AugmentConfig, TrainConfig
from fer_core.errors import ConfigError
from fer_core.presets import PRESETS, PROTOCOL_PRESETS, default_preset, make_train_config


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_the_settings_it_names(name):
    made, usual = make_train_config(name).to_dict(), TrainConfig().to_dict()
    values = PRESETS[name].values
    assert {key: made[key] for key in values} == {
        key: {**usual[key], **value} if isinstance(value, dict) else value for key, value in values.items()
    }
    assert {key: made[key] for key in made if key not in values} == {
        key: usual[key] for key in usual if key not in values
    }


def test_a_protocol_brings_its_own_preset_and_explicit_settings_win():
    assert set(PROTOCOL_PRESETS.values()) <= set(PRESETS)
    leaky = make_train_config(protocol="leaky", label_smoothing=0.05)
    assert leaky.augment == AugmentConfig.off()
    assert leaky.label_smoothing == 0.05
    assert make_train_config(protocol="leaky", augment={"flip": True}).augment == AugmentConfig.off().model_copy(
        update={"flip": True}
    )


@pytest.mark.parametrize(
    ("protocol", "faces", "preset"),
    [
        ("official", None, "standard"),
        ("official", 2560, "standard"),  # 20 steps of 128
        ("official", 2559, "own-faces"),
        ("holdout", 60, "own-faces"),
        ("leaky", 60, "report"),
    ],
)
def test_few_faces_take_the_preset_made_for_them(protocol, faces, preset):
    assert default_preset(protocol, faces) == preset
    made = make_train_config(train_faces=faces, protocol=protocol)
    assert made == make_train_config(preset, protocol=protocol)


@pytest.mark.parametrize(
    ("explicit", "start"),
    [
        ({}, ("compact", "compact")),
        ({"model": "compact"}, ("compact", "compact")),
        ({"model": "seed"}, ("seed", "seed")),
        ({"model": "another"}, ("another", None)),
        ({"init_from": None}, ("compact", None)),
        ({"init_from": "my-run"}, ("seed", "my-run")),
        ({"init_from": "my-run", "model": "compact"}, ("compact", "my-run")),
    ],
)
def test_explicit_settings_win_over_the_start_of_a_preset(explicit, start):
    made = make_train_config("own-faces", **explicit)
    assert (made.model, made.init_from) == start
    assert (made.freeze_epochs > 0) == (made.init_from is not None)


def test_an_unknown_preset_is_refused_with_the_list():
    with pytest.raises(ConfigError, match="standard"):
        make_train_config("best")
