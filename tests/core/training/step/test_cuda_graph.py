from __future__ import annotations

import pytest
import torch

from fer_core.data import make_split
from fer_core.training import loop
from fer_core.training.device import Compute, choose_compute
from fer_core.training.loop import Training, torch_settings
from tests.factories import make_dataset, tiny_config, with_votes

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here")
CPU = Compute("cpu", "test", "float32", 1)


def step(t: Training, seed: int, function) -> tuple[float, torch.Tensor]:
    """Loss and gradients of one step from this seed; batch-norm statistics are restored."""
    before = {name: value.clone() for name, value in t.model.state_dict().items()}
    batch = torch.arange(t.config.batch_size, device="cuda")
    t._seed(seed)
    loss, _ = function(batch, torch.tensor(0.7, device="cuda"))
    gradients = torch.cat([p.grad.flatten() for p in t.model.parameters()]).clone()
    t.model.load_state_dict(before)
    return float(loss), gradients


@on_a_gpu
@pytest.mark.parametrize("targets", ["labels", "votes", "both"])
def test_a_replayed_step_equals_the_plain_step_and_draws_anew_from_each_seed(targets):
    config = tiny_config(device="cuda", precision="float32", mixup=0.3, targets=targets)
    dataset = with_votes(make_dataset(), nobody=5)
    compute = choose_compute(config)
    with torch_settings(compute):
        t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute)
        t.run_epoch()
        first, second, other = (step(t, seed, t._graph_step) for seed in (5, 5, 6))
        plain = step(t, 5, t._compute_gradients)
    assert first[0] == second[0]
    # cuDNN's backward kernels add in no fixed order: on an H100 single elements of the gradients differed by 4e-9.
    assert torch.allclose(first[1], second[1], rtol=1e-3, atol=1e-6)
    assert other[0] != first[0]
    assert not torch.allclose(other[1], first[1], rtol=1e-3, atol=1e-6)
    assert plain[0] == pytest.approx(first[0], rel=1e-4)
    assert torch.nn.functional.cosine_similarity(plain[1], first[1], dim=0) > 0.999


@on_a_gpu
def test_warm_up_steps_leave_batch_norm_statistics_unchanged():
    config = tiny_config(device="cuda", learning_rate=1e-9)
    dataset = make_dataset()
    compute = choose_compute(config)
    with torch_settings(compute):
        t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute)
        steps = t.steps_per_epoch
        t.run_epoch()
    counters = [value for name, value in t.model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert {int(value) for value in counters} == {steps}


class Recorder:
    """Replaces the CUDA graph without a GPU: warms up, then computes at each call."""

    def __init__(self, function, examples, generator) -> None:
        for _ in range(3):
            function(*examples)
        self.function = function

    def __call__(self, batch, share):
        return self.function(batch, share)


class Refusing(Recorder):
    """A driver that cannot capture a graph."""

    def __init__(self, function, examples, generator) -> None:
        super().__init__(function, examples, generator)
        raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.slow
def test_a_step_recorded_while_layers_are_frozen_is_recorded_anew_for_all_layers(monkeypatch):
    monkeypatch.setattr(loop, "CudaGraphStep", Recorder)
    trainings, recorded = [], []
    for recording in (False, True):
        config = tiny_config(epochs=3, freeze_epochs=1, init_from="seed", class_weights="sqrt", ema_decay=0.9)
        dataset = make_dataset()
        t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), CPU)
        t._use_cuda_graph = recording
        with torch_settings(CPU):
            while not t.finished:
                t.run_epoch()
                recorded.append(t._graph_step)
        trainings.append(t)
    assert recorded[:3] == [None] * 3
    assert recorded[3] is not recorded[4]
    assert recorded[4] is recorded[5]
    for part in ("model", "average"):
        plain, replayed = (getattr(t, part).state_dict() for t in trainings)
        assert all(torch.equal(plain[name], replayed[name]) for name in plain)


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["labels", "votes", "both"])
@pytest.mark.parametrize("recorder", [Recorder, Refusing])
def test_recording_changes_no_number_and_neither_does_a_driver_that_cannot(recorder, targets, monkeypatch):
    monkeypatch.setattr(loop, "CudaGraphStep", recorder)
    trainings = []
    for recording in (False, True):
        config = tiny_config(mixup=0.3, ema_decay=0.9, targets=targets)
        dataset = with_votes(make_dataset(), nobody=5)
        t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), CPU)
        t._use_cuda_graph = recording
        with torch_settings(CPU):
            t.run_epoch()
        trainings.append(t)
    plain, recorded = trainings
    assert (recorded._graph_step is not None) == (recorder is Recorder)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, recorded.model.state_dict()[name]), name
