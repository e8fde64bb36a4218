import json
from typing import Any, Literal

import pytest
from pydantic import Field
from streamlit.testing.v1 import AppTest

from fer_core.config import AugmentConfig, Config, TrainConfig
from pages.ui.shell.formatting import distinct, plain
from pages.ui.shell.forms import bounds, help_text, step_of


def test_bounds_come_from_the_field():
    fields = TrainConfig.model_fields
    assert bounds(fields["batch_size"]) == (2, 8192)
    assert bounds(fields["learning_rate"]) == (0, 10)
    assert bounds(fields["seed"]) == (0, 2**31)
    assert bounds(fields["optimizer"]) == (None, None)


def test_help_names_bounds_and_default():
    fields = TrainConfig.model_fields
    assert help_text(fields["batch_size"]) == f"{fields['batch_size'].description} From 2 to 8192. Default: 128."
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
    assert plain(":red[x]") == r"\:red\[x\]"
    assert plain("1. happy") == r"1\. happy"
    assert plain("- happy") == r"\- happy"
    for code in (":smile:", ":+1:", ":material/home:"):
        assert code not in plain(f"a {code}")
    assert plain("10:30:45") == "10:30:45"


def test_names_of_two_runs_that_are_the_same_are_told_apart():
    names = {"20261124-120000-a-1111": "a", "20261124-120000-a-2222": "a", "20261124-120000-b-3333": "b"}
    assert list(distinct(names).values()) == ["a (1111)", "a (2222)", "b"]
    assert distinct({}) == {}


def form_page() -> None:
    import streamlit as st

    from fer_core.config import TrainConfig
    from pages.ui.shell.forms import Form, FormState
    from pages.ui.shell.session import state_of

    form = Form(TrainConfig, "test", state_of(FormState))
    if st.button("fill", key="fill"):
        form.fill({"epochs": 7, "optimizer": "sgd", "teachers": ("a", "b"), "model_args": {"width": 2}})
    if st.button("reset", key="reset"):
        form.reset(keep=("optimizer",))
    if not st.toggle("away", key="away"):
        form.draw("epochs", "optimizer", "teachers", "model_args", "augment")
    st.json({**form.values(), "augment": form.value("augment")})


def shown(app: AppTest) -> dict[str, Any]:
    assert not app.exception
    return json.loads(app.json[0].value)


def test_a_form_goes_both_ways_and_survives_a_visit_elsewhere():
    app = AppTest.from_function(form_page).run()
    assert shown(app)["augment"]["flip"] is True
    app.number_input(key="test-epochs").set_value(3).run()
    app.number_input(key="test-epochs").set_value(4).run()  # the second entry counts too
    app.toggle(key="test-augment.flip").set_value(False).run()
    assert shown(app)["epochs"] == 4
    assert shown(app)["augment"]["flip"] is False
    app.toggle(key="away").set_value(True).run()
    assert shown(app)["epochs"] == 4
    app.toggle(key="away").set_value(False).run()
    assert app.number_input(key="test-epochs").value == 4
    app.button(key="fill").click().run()
    assert app.number_input(key="test-epochs").value == 7
    assert app.selectbox(key="test-optimizer").value == "sgd"
    assert app.text_input(key="test-teachers").value == "a, b"
    assert shown(app)["model_args"] == {"width": 2}
    assert app.toggle(key="test-augment.flip").value is False
    app.button(key="reset").click().run()
    assert app.number_input(key="test-epochs").value == TrainConfig.model_fields["epochs"].default
    assert app.toggle(key="test-augment.flip").value is True
    assert shown(app).keys() == {"optimizer", "augment"}


def test_what_is_no_json_is_kept_as_it_was_typed():
    app = AppTest.from_function(form_page).run()
    app.text_input(key="test-model_args").set_value("{wide").run()
    assert shown(app)["model_args"] == "{wide"
    app.toggle(key="away").set_value(True).run()
    app.toggle(key="away").set_value(False).run()
    assert app.text_input(key="test-model_args").value == "{wide"
