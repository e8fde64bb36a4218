"""A model of own classes: written, measured, and used like any other."""

import numpy as np

from fer_core.inference import Classifier, read_info, resolve_model
from fer_core.teach import list_taught, load_taught, teach
from tests.teach_factory import draw_take, fill


def test_a_taught_model_predicts_its_own_classes_under_its_name(workspace):
    store = fill(workspace, takes=2, frames=6)
    taught = teach(store, Classifier.load("seed", workspace=workspace), workspace)
    classifier = Classifier.load("mine", workspace=workspace)
    assert classifier.labels == ("happy", "surprise", "neutral")
    for emotion in classifier.labels:
        predicted = classifier.probabilities(draw_take(emotion, 0, 6)).argmax(axis=1)
        assert np.mean(predicted == classifier.labels.index(emotion)) > 0.8
    assert read_info(resolve_model("mine", workspace)).prior == (1 / 3,) * 3
    assert load_taught("mine", workspace) == taught
    assert [one.name for one in list_taught(workspace)] == ["mine"]
    assert (taught.takes, taught.faces, taught.leave_one_take_out.takes) == (6, 36, 6)
