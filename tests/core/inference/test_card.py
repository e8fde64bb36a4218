from __future__ import annotations

import pytest

from fer_core.inference import shipped_models
from fer_core.inference.card import CardAgreement, card_agreement
from fer_core.inference.checkpoint import read_info
from fer_core.resources import asset


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_every_shipped_card_states_the_agreement_at_the_models_own_sensitivity(name):
    own = read_info(asset("models", f"{name}.safetensors")).sensitivity
    found = card_agreement(name, own)
    assert found is not None
    assert (found.split, found.n, found.person) == ("PrivateTest", 3569, 0.603)
    assert 0.5 < found.model < 0.739


def test_the_row_of_the_asked_sensitivity_is_read():
    assert card_agreement("compact-people", 0.0) == CardAgreement("PrivateTest", 3569, 0.690, 0.603)
    assert card_agreement("compact-people", 0.5) == CardAgreement("PrivateTest", 3569, 0.685, 0.603)
    assert card_agreement("compact-people", 0.3) is None


def test_a_model_without_a_card_has_no_figure():
    assert card_agreement("a run", 0.0) is None
