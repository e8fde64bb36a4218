"""Which faces each process takes."""

from __future__ import annotations

import pytest
import torch

from fer_core.config import AugmentConfig
from fer_core.training.distributed.group import Group
from fer_core.training.distributed.part import Part
from fer_core.training.step.augment import augment


@pytest.mark.parametrize(("total", "size", "sizes"), [(128, 3, [42, 43, 43]), (128, 2, [64, 64]), (5, 5, [1] * 5)])
def test_the_parts_are_disjoint_together_the_batch_and_as_equal_as_possible(total, size, sizes):
    rows = [row for rank in range(size) for row in range(total)[Part.of(rank, size, total, False).own]]
    assert rows == list(range(total))
    assert Group(0, size).faces_per_step(total) == {"global": total, "per_process": sizes}


@pytest.mark.parametrize("rank", range(3))
def test_mixup_gets_the_face_before_each_and_before_the_first_the_last(rank):
    batch = torch.arange(8)
    part = Part.of(rank, 3, 8, True)
    prepared = batch[part.prepared]
    assert torch.equal(prepared[part.extra :], batch[part.own])
    assert torch.equal(prepared.roll(1, 0)[part.extra :], batch.roll(1, 0)[part.own])


@pytest.mark.parametrize("neighbor", [False, True])
def test_a_part_is_augmented_as_in_the_whole_batch(neighbor):
    pixels = torch.rand(8, 1, 48, 48) * 255
    config = AugmentConfig(erasing=0.5, contrast=0.3, brightness=0.2)
    whole = augment(pixels, config, torch.Generator().manual_seed(1), 100)
    part = Part.of(1, 3, 8, neighbor)
    found = augment(pixels[part.prepared], config, torch.Generator().manual_seed(1), 100, part)
    torch.testing.assert_close(found, whole[part.prepared], rtol=0, atol=1e-4)
