from __future__ import annotations

import numpy as np
import pytest

from fer_core.errors import ImageError
from fer_core.explanation import occlude
from fer_core.inference import Classifier
from tests.factories import untrained_checkpoint


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


@pytest.fixture
def face():
    return np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)


def test_the_patch_and_nothing_else_becomes_the_mean_gray(classifier, face):
    kept = face.copy()
    covered = occlude(classifier, face, 10, 20, 5, 7)
    by_hand = kept.copy()
    by_hand[20:27, 10:15] = round(255 * classifier.info.preprocess.mean)
    assert (covered.face == by_hand).all()
    assert (face == kept).all()
    assert covered.before == pytest.approx(classifier.probabilities(kept)[0], abs=1e-6)
    assert covered.after == pytest.approx(classifier.probabilities(by_hand)[0], abs=1e-6)
    assert np.abs(covered.after - covered.before).max() > 0


def test_a_patch_that_reaches_over_the_edge_is_cut_off_there(classifier, face):
    inside = occlude(classifier, face, 0, 0, 6, 48)
    assert (occlude(classifier, face, -4, -4, 10, 100).face == inside.face).all()


@pytest.mark.parametrize("patch", [(48, 0, 5, 5), (0, 0, 0, 5), (-5, 3, 5, 5)])
def test_a_patch_beside_the_face_is_refused(classifier, face, patch):
    with pytest.raises(ImageError, match="at least one"):
        occlude(classifier, face, *patch)
