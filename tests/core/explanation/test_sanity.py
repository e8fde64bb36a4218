from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_core.errors import FerError
from fer_core.explanation import explain, run_sanity_checks
from fer_core.explanation.saliency import make_saliency
from fer_core.explanation.sanity import RANDOM_ORDERS, RANDOMIZATIONS, randomize_weights, rank_correlation
from fer_core.inference import Classifier, load_checkpoint
from fer_core.training import train
from tests.factories import make_dataset, tiny_config, untrained_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A seed network that has learnt where the bright bar lies."""
    from fer_core.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    result = train(tiny_config(epochs=8), dataset=make_dataset(), workspace=workspace)
    assert result.best.valid_accuracy > 0.8
    return Classifier(*load_checkpoint(result.run.path / "best.safetensors"))


def faces_of(label: int) -> np.ndarray:
    dataset = make_dataset()
    return dataset.images[(dataset.labels == label) & (dataset.split == "test")]


def bar_map(label: int) -> np.ndarray:
    values = np.zeros((48, 48), np.float32)
    values[3 + 6 * label : 8 + 6 * label, 8:40] = 1
    return values


@pytest.mark.slow
def test_a_map_of_what_matters_beats_chance_and_its_opposite_does_not(trained):
    face = faces_of(2)[0]
    good = run_sanity_checks(trained, face, make_saliency("occlusion", 2, "fear", bar_map(2)), others=())
    bad = run_sanity_checks(trained, face, make_saliency("occlusion", 2, "fear", 1 - bar_map(2)), others=())
    assert good.deletion.auc < good.random_deletion_range[0]
    assert good.insertion.auc > good.random_insertion.auc
    assert bad.deletion.auc > good.deletion.auc
    assert "better than every random order" in good.summary()[0]


def test_curves_start_and_end_where_they_must(trained):
    face = faces_of(2)[0]
    sanity = run_sanity_checks(trained, face, explain(trained, face, "gradient"), others=())
    whole = trained.probabilities(face)[0, belief_target(trained, face)]
    assert sanity.deletion.probability[0] == pytest.approx(whole, abs=1e-5)
    assert sanity.insertion.probability[-1] == pytest.approx(whole, abs=1e-5)
    assert sanity.deletion.probability[-1] == pytest.approx(sanity.random_deletion.probability[-1], abs=1e-5)
    area = np.trapezoid(sanity.deletion.probability, sanity.deletion.share)
    assert sanity.deletion.auc == pytest.approx(area)


def belief_target(classifier, face) -> int:
    return int(classifier.logits(face).argmax())


def test_a_learnt_map_changes_when_the_weights_are_scrambled(trained):
    face = faces_of(4)[0]
    sanity = run_sanity_checks(trained, face, explain(trained, face, "gradcam"))
    assert sanity.randomization_similarity < 0.9
    assert set(sanity.agreement) == {"gradient", "integrated_gradients"}


def test_a_map_of_edges_alone_is_caught_by_the_scrambled_weights(trained, monkeypatch):
    """A 'method' that ignores the network gives the same map with any weights, and the sentence says so."""
    import fer_core.explanation.sanity as sanity

    face = faces_of(1)[0]
    edges = np.abs(np.diff(face.astype(np.float32), axis=1, prepend=0))
    monkeypatch.setattr(sanity, "explain_batch", lambda *a, **k: edges[None])
    sanity = run_sanity_checks(trained, face, make_saliency("occlusion", 1, "disgust", edges), others=())
    assert sanity.randomization_similarity == pytest.approx(1)
    assert "Do not trust it" in sanity.summary()[-1]


def test_scrambling_makes_another_network_and_leaves_the_first(tmp_path):
    classifier = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))
    before = {k: v.clone() for k, v in classifier.model.state_dict().items()}
    rng = torch.get_rng_state()
    other = randomize_weights(classifier, 5)
    assert not torch.equal(other.model.fc.weight, classifier.model.fc.weight)
    assert all(torch.equal(before[k], v) for k, v in classifier.model.state_dict().items())
    assert torch.equal(rng, torch.get_rng_state())


def test_rank_correlation_by_hand():
    a = np.array([[1.0, 20.0], [300.0, 4000.0]])  # ranks 1 2 3 4
    assert rank_correlation(a, np.array([[1, 2], [4, 3]])) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert rank_correlation(a, np.array([[0, 1], [1, 2]])) == pytest.approx(np.sqrt(0.9))  # a tie takes the mean rank
    assert rank_correlation(a, -a) == pytest.approx(-1)


def test_a_constant_map_correlates_with_nothing():
    a = np.random.default_rng(0).normal(size=(48, 48))
    assert rank_correlation(a, np.zeros((48, 48))) == rank_correlation(np.ones((48, 48)), a) == 0


def test_an_empty_map_is_not_tested_and_stop_stops(trained):
    face = faces_of(0)[0]
    with pytest.raises(FerError, match="no saliency map to check"):
        run_sanity_checks(trained, face, make_saliency("gradcam", 0, "angry", np.zeros((48, 48), np.float32)))
    with pytest.raises(FerError, match="stopped"):
        run_sanity_checks(trained, face, explain(trained, face, "gradient"), should_stop=lambda: True)


def test_progress_counts_every_test(trained):
    face, seen = faces_of(0)[0], []
    run_sanity_checks(trained, face, explain(trained, face, "gradient"), on_progress=lambda *p: seen.append(p))
    total = 2 * (1 + RANDOM_ORDERS) + 2 + RANDOMIZATIONS
    assert seen == [(i, total) for i in range(1, total + 1)]
