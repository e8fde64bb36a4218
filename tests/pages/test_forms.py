from typing import Literal

import pytest
from pydantic import Field

from fer_core.config import AugmentConfig, Config, TrainConfig
from pages.ui.shell.formatting import distinct, duration, joined, percent_with_interval, plain
from pages.ui.shell.forms import bounds, help_text, step_of


def test_bounds_come_from_the_field():
    fields = TrainConfig.model_fields
    assert bounds(fields["batch_size"]) == (2, 8192)
    assert bounds(fields["learning_rate"]) == (0, 10)
    assert bounds(fields["seed"]) == (0, 2**31)
    assert bounds(fields["optimizer"]) == (None, None)


def test_help_names_bounds_and_default():
    fields = TrainConfig.model_fields
    assert help_text(fields["batch_size"]) == "Faces per step. From 2 to 8192. Default: 128."
    assert help_text(fields["learning_rate"]).endswith("More than 0, at most 10. Default: 0.003.")
    assert help_text(AugmentConfig.model_fields["flip"]).endswith("Default: on.")


class Odd(Config):
    big: float = Field(50.0, ge=0)
    none: float = Field(0.0, ge=0, le=1)
    narrow: float = Field(0.0, ge=0, le=0.01)
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("config", "name", "step"),
    [
        (TrainConfig, "learning_rate", 1e-3),
        (TrainConfig, "weight_decay", 1e-2),
        (AugmentConfig, "rotation", 10.0),
        (AugmentConfig, "erasing", 0.1),
        (Odd, "big", 10.0),
        (Odd, "none", 0.1),
        (Odd, "narrow", 1e-3),
    ],
)
def test_steps_fit_the_size_of_the_number(config, name, step):
    assert step_of(config.model_fields[name]) == pytest.approx(step)


def test_foreign_text_is_shown_and_not_interpreted():
    assert plain("a *b* <script> [x](y) `c` $d$") == r"a \*b\* \<script\> \[x\]\(y\) \`c\` \$d\$"
    assert plain("two\nlines") == "two lines"


def test_numbers_for_people():
    assert percent_with_interval(0.6213, (0.605, 0.637)) == "62.1 % (60.5–63.7)"
    assert percent_with_interval(0.5, None) == "50.0 %"
    assert [duration(s) for s in (0, 59.6, 75, 3700)] == ["0 s", "1 min 0 s", "1 min 15 s", "1 h 1 min"]
    assert [joined(n) for n in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_names_of_two_runs_that_are_the_same_are_told_apart():
    names = {"20261124-120000-a-1111": "a", "20261124-120000-a-2222": "a", "20261124-120000-b-3333": "b"}
    assert list(distinct(names).values()) == ["a (1111)", "a (2222)", "b"]
    assert distinct({}) == {}
