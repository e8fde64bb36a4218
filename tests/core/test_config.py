from __future__ import annotations

import json

import pytest

from fer_core.config import (
    PRESETS,
    PROTOCOL_PRESETS,
    AugmentConfig,
    TrainConfig,
    default_preset,
    make_train_config,
)
from fer_core.errors import ConfigError


def test_settings_survive_a_round_trip_through_json():
    config = TrainConfig(epochs=3, augment=AugmentConfig(flip=False, rotation=7), model_args={"dropout": 0.1})
    assert TrainConfig.parse(json.dumps(config.to_dict())) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, ["epochs", "greater than or equal to 1", "0"]),
        ({"epochs": "many"}, ["epochs", "many"]),
        ({"lerning_rate": 1}, ["lerning_rate", "no such setting"]),
        ({"learning_rate": float("nan")}, ["learning_rate"]),
        ({"protocol": "honest"}, ["protocol", "honest"]),
        ({"augment": {"shift": 3}}, ["augment.shift", "3"]),
        ({"ema_decay": 0.1}, ["ema_decay"]),
        ('{"epochs": 1', ["JSON"]),
    ],
)
def test_an_impossible_setting_is_refused_by_name(values, words):
    with pytest.raises(ConfigError) as caught:
        TrainConfig.parse(values)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_every_fault_is_named_at_once():
    with pytest.raises(ConfigError, match=r"epochs.*batch_size"):
        TrainConfig.parse({"epochs": 0, "batch_size": 1})


def test_settings_cannot_be_changed_after_they_are_made():
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().epochs = 3  # type: ignore[misc]


def test_every_setting_of_the_form_has_a_title_and_help():
    for config in (TrainConfig, AugmentConfig):
        for name, field in config.model_fields.items():
            assert field.title, name
            assert field.description, name


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


def test_frozen_layers_need_weights_to_start_from():
    with pytest.raises(ConfigError, match="freeze_epochs needs init_from"):
        TrainConfig.parse({"freeze_epochs": 2})


def test_an_unknown_preset_is_refused_with_the_list():
    with pytest.raises(ConfigError, match="standard"):
        make_train_config("best")


def test_teachers_may_be_written_with_commas():
    assert TrainConfig.parse({"teachers": "seed, compact,"}).teachers == ("seed", "compact")
    config = TrainConfig.parse({"teachers": ["seed"]})
    assert TrainConfig.parse(config.to_dict()) == config
