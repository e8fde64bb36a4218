from __future__ import annotations

import json

import pytest

from fer_core.config import AugmentConfig, TrainConfig
from fer_core.errors import ConfigError


def test_settings_survive_a_round_trip_through_json():
    config = TrainConfig(epochs=3, augment=AugmentConfig(flip=False, rotation=7), model_args={"dropout": 0.1})
    assert TrainConfig.parse(json.dumps(config.to_dict())) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, ["epochs", "greater than or equal to 1", "0"]),
        ({"epochs": "many"}, ["epochs", "many"]),
        ({"lerning_rate": 1}, ["lerning_rate", "unknown setting"]),
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


def test_frozen_layers_need_weights_to_start_from():
    with pytest.raises(ConfigError, match="freeze_epochs requires init_from"):
        TrainConfig.parse({"freeze_epochs": 2})


def test_teachers_may_be_written_with_commas():
    assert TrainConfig.parse({"teachers": "seed, compact,"}).teachers == ("seed", "compact")
    config = TrainConfig.parse({"teachers": ["seed"]})
    assert TrainConfig.parse(config.to_dict()) == config


@pytest.mark.parametrize(("old", "new"), sorted(TrainConfig.renamed.items()))
def test_a_renamed_setting_is_read_under_its_old_name_and_written_under_both_for_others(old, new):
    value = {"skip_broken": True, "teacher_share": 0.25, "teacher_temperature": 3.5, "teacher_views": 4}[old]
    config = TrainConfig.parse({old: value})
    assert config == TrainConfig.parse({new: value}) == TrainConfig.parse(json.dumps({old: value}))
    assert old not in config.to_dict()
    assert config.to_document()[old] == config.to_document()[new] == value


def test_both_names_of_a_setting_at_once_are_refused():
    with pytest.raises(ConfigError, match="teacher_share is the old name of distillation_weight"):
        TrainConfig.parse({"teacher_share": 0.5, "distillation_weight": 0.6})
