"""What the tests of media share."""

import pytest

from fer_core.inference import Classifier
from tests.factories import untrained_checkpoint


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))
