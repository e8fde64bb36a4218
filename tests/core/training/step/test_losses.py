from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fer_core.training.step.losses import class_weights, mixed_cross_entropy


@pytest.mark.parametrize(("kind", "ratio"), [("inverse", 9.0), ("sqrt", 3.0)])
def test_class_weights_by_hand(kind, ratio):
    counts = torch.tensor([90, 10, 0])
    weights = class_weights(kind, counts)
    assert weights[1] / weights[0] == pytest.approx(ratio)
    assert weights[2] == 0
    assert float((weights * counts).sum()) == pytest.approx(100)  # mean over the faces: 1


def test_without_class_weights_there_are_none():
    assert class_weights("none", torch.tensor([1, 2])) is None


def test_weights_of_inverse_let_every_class_count_alike():
    counts = torch.tensor([436, 7215, 3171])
    total = class_weights("inverse", counts) * counts
    assert total.tolist() == pytest.approx([sum(counts.tolist()) / 3] * 3, rel=1e-5)


def test_weighted_cross_entropy_with_smoothing_and_mixup_by_hand():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    targets, others, weights, share = torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.5, 3.0]), 0.7
    log_p = F.log_softmax(logits, dim=1)

    def one(i: int, label: int) -> float:  # smoothing 0.1 over two classes: 0.95 and 0.05
        return float(weights[label] * -(0.95 * log_p[i, label] + 0.05 * log_p[i, 1 - label]))

    expected = sum(share * one(i, int(targets[i])) + (1 - share) * one(i, int(others[i])) for i in (0, 1)) / 2
    found = mixed_cross_entropy(logits, targets, others, torch.tensor(share), 0.1, weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_equal_weights_change_nothing():
    logits, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    plain = mixed_cross_entropy(logits, targets, None, torch.tensor(1.0), 0.1)
    weighted = mixed_cross_entropy(logits, targets, None, torch.tensor(1.0), 0.1, torch.ones(4))
    assert math.isclose(float(plain), float(weighted), rel_tol=1e-6)
