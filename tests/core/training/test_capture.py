from __future__ import annotations

import pytest
import torch

from fer_core.data import make_split
from fer_core.training.device import choose_compute
from fer_core.training.loop import Training, torch_settings
from tests.factories import make_dataset, tiny_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here")


def step(t: Training, seed: int, function) -> tuple[float, torch.Tensor]:
    """Loss and gradients of one step from this seed; batch norm's statistics are put back."""
    before = {name: value.clone() for name, value in t.model.state_dict().items()}
    t.generator.manual_seed(seed)
    torch.manual_seed(seed)
    batch = torch.arange(t.config.batch_size, device="cuda")
    loss, _ = function(batch, torch.tensor(0.7, device="cuda"))
    gradients = torch.cat([p.grad.flatten() for p in t.model.parameters()]).clone()
    t.model.load_state_dict(before)
    return float(loss), gradients


def test_a_replayed_step_is_the_step_itself_and_draws_anew_from_each_seed():
    config = tiny_config(device="cuda", precision="float32", mixup=0.3)
    dataset = make_dataset()
    compute = choose_compute(config)
    with torch_settings(compute):
        t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute)
        t.run_epoch()
        first, second, other = (step(t, seed, t._gradients) for seed in (5, 5, 6))
        plain = step(t, 5, t._compute_gradients)
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    assert other[0] != first[0]
    assert plain[0] == pytest.approx(first[0], rel=1e-4)
    assert torch.nn.functional.cosine_similarity(plain[1], first[1], dim=0) > 0.999


def test_rehearsing_leaves_the_statistics_of_batch_norm_alone():
    config = tiny_config(device="cuda", learning_rate=1e-9)
    dataset = make_dataset()
    compute = choose_compute(config)
    with torch_settings(compute):
        t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute)
        steps = t.steps_per_epoch
        t.run_epoch()
    counters = [value for name, value in t.model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert {int(value) for value in counters} == {steps}
