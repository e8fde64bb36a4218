from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from fer_core.config import TrainConfig
from fer_core.data import make_split
from fer_core.errors import TrainingError
from fer_core.training.device import Compute, choose_compute
from fer_core.training.loop import Training, torch_settings
from fer_core.training.step.inputs import step_seed
from fer_core.training.step.losses import distillation_loss, mixed_cross_entropy
from fer_core.training.step.optimizer import learning_rate
from tests.factories import make_dataset, tiny_config

CPU = Compute("cpu", "test", "float32", 1)


def training(protocol="official", dataset=None, **changes) -> Training:
    config = tiny_config(protocol=protocol, **changes)
    dataset = dataset or make_dataset()
    return Training(config, dataset, make_split(dataset, protocol, config.holdout_share, config.seed), CPU)


def run_all(t: Training, **kwargs) -> Training:
    with torch_settings(CPU):
        while not t.finished:
            t.run_epoch(**kwargs)
    return t


def weights_equal(a: Training, b: Training) -> bool:
    ours, theirs = a.weights(), b.weights()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_network_learns_faces_that_can_be_learnt():
    records = run_all(training(epochs=6, learning_rate=3e-3)).records()
    assert records[-1].train_loss < records[0].train_loss
    assert records[-1].valid_accuracy > 0.6


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not():
    assert weights_equal(run_all(training()), run_all(training()))
    assert not weights_equal(run_all(training()), run_all(training(seed=1)))


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", "ema_decay": 0.9, "mixup": 0.3, "gradient_clip": 1.0}])
@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_resume_gives_the_same_weights_as_never_stopping(changes, stop_after, tmp_path):
    whole = run_all(training(epochs=2, **changes))
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps >= stop_after

    first = training(epochs=2, **changes)
    with torch_settings(CPU):
        while not first.finished and first.run_epoch(should_stop=stop) is not None:
            pass
    torch.save(first.state_dict(), tmp_path / "state")
    torch.manual_seed(123456)  # whatever happened in between
    second = training(epochs=2, **changes)
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    run_all(second)
    assert weights_equal(whole, second)
    ours, theirs = whole.records(), second.records()
    assert [(r.train_loss, r.valid_loss) for r in ours] == [(r.train_loss, r.valid_loss) for r in theirs]


def test_a_loss_that_is_not_finite_stops_with_advice():
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        run_all(training(epochs=5, learning_rate=10, optimizer="sgd", weight_decay=1, momentum=0.99, label_smoothing=0))


def test_early_stopping_waits_as_long_as_it_was_told():
    t = training(epochs=50, patience=2, learning_rate=1e-9)  # nothing improves
    run_all(t)
    best = min(t.records(), key=lambda r: (-r.valid_accuracy, r.valid_loss, r.epoch))
    assert t.records()[-1].epoch - best.epoch == 2
    assert t.records()[-1].epoch < 50


def test_the_leaky_protocol_reports_the_honest_figure_beside_its_own():
    record = run_all(training("leaky", epochs=1)).records()[0]
    assert record.honest_accuracy is not None
    assert "honest Acc" in "\n".join(record.log_lines())


def test_the_log_lines_have_the_form_of_the_report():
    record = run_all(training(epochs=1)).records()[0]
    assert (
        record.log_lines()[0]
        == f"Epoch: 1, train Loss: {record.train_loss:.4f}, train Acc: {record.train_accuracy:.4f}"
    )


def test_training_puts_back_threads_and_random_state():
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()

    def fail() -> None:
        with torch_settings(Compute("cpu", "", "float32", 3)):
            torch.manual_seed(99)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_schedules_start_peak_and_end_where_they_should(schedule):
    config = TrainConfig(schedule=schedule, learning_rate=0.1, warmup_share=0.25)
    rates = [learning_rate(config, step, 1000) for step in range(1001)]
    assert max(rates) == pytest.approx(0.1, rel=1e-4)
    if schedule == "constant":
        assert set(rates) == {0.1}
    else:
        assert rates[-1] == pytest.approx(0, abs=1e-9)
    if schedule == "onecycle":
        assert rates[0] == pytest.approx(0.1 / 25)
        assert rates.index(max(rates)) == 250
        assert rates[125] == pytest.approx((0.1 / 25 + 0.1) / 2)
    if schedule == "cosine":
        assert rates[500] == pytest.approx(0.05)


def test_mixed_loss_is_the_cross_entropy_with_the_mixed_target():
    logits = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])
    targets, partner = torch.tensor([0, 2]), torch.tensor([1, 0])
    soft = 0.7 * torch.eye(3)[targets] + 0.3 * torch.eye(3)[targets[partner]]
    smooth = soft * 0.9 + 0.1 / 3
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    assert mixed_cross_entropy(logits, targets, targets[partner], torch.tensor(0.7), 0.1).item() == pytest.approx(
        expected.item(), rel=1e-6
    )


def test_seeds_of_neighboring_steps_and_streams_differ():
    seeds = {step_seed(seed, stream, step) for seed in range(5) for stream in range(5) for step in range(200)}
    assert len(seeds) == 5 * 5 * 200
    assert all(0 <= s < 2**63 for s in seeds)


def test_the_weight_average_follows_its_formula():
    t = training(ema_decay=0.9, epochs=1)
    expected = {k: v.clone() for k, v in t.weights().items()}
    step = 0

    def follow(*_: object) -> None:
        nonlocal step
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in t.model.state_dict().items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
        step += 1

    with torch_settings(CPU):
        t.run_epoch(on_step=follow)
    for name, value in t.weights().items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], atol=1e-5), name


def test_biases_and_norms_are_not_decayed():
    t = training(weight_decay=0.5)
    decayed = {id(p) for p in t.optimizer.param_groups[0]["params"]}
    for name, parameter in t.model.named_parameters():
        assert (id(parameter) in decayed) == (parameter.ndim > 1), name
    assert t.optimizer.param_groups[1]["weight_decay"] == 0


def test_the_device_and_precision_are_chosen_at_run_time(monkeypatch):
    monkeypatch.setattr("fer_core.training.device.cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_compute(TrainConfig()).precision == "bfloat16"
    assert choose_compute(TrainConfig(threads=3)).threads == 3
    monkeypatch.setattr("fer_core.training.device.cpu_has_bfloat16", lambda: False)
    assert choose_compute(TrainConfig()).precision == "float32"
    with pytest.raises(Exception, match="finds no GPU"):
        choose_compute(TrainConfig(device="cuda"))


def test_bfloat16_training_learns_too():
    config = tiny_config(epochs=4, precision="bfloat16")
    dataset = make_dataset()
    t = Training(config, dataset, make_split(dataset, "official", 0.1, 0), Compute("cpu", "", "bfloat16", 1))
    run_all(t)
    assert math.isfinite(t.records()[-1].valid_loss)
    assert t.records()[-1].train_loss < t.records()[0].train_loss


def test_distillation_loss_by_hand():
    # two classes, T = 2: p = softmax([1, 0]), q = softmax([0, 1]) = p reversed, so KL = (p0 - p1) ln(p0 / p1) = p0 - p1
    student = torch.tensor([[0.0, 2.0]])
    p = 1 / (1 + math.exp(-1))
    assert distillation_loss(student, torch.tensor([[p, 1 - p]]), 2.0).item() == pytest.approx(
        4 * (2 * p - 1), rel=1e-6
    )
    assert distillation_loss(student, torch.tensor([[1 - p, p]]), 2.0).item() == pytest.approx(0, abs=1e-6)
    # two teachers that contradict each other ask for one half each
    halves = distillation_loss(student, torch.tensor([[0.5, 0.5]]), 2.0).item()
    assert halves == pytest.approx(-4 * (0.5 * math.log(2 * p) + 0.5 * math.log(2 * (1 - p))), rel=1e-5)


def test_teachers_that_contradict_each_other_are_averaged_as_probabilities():
    student = student_with_views(distillation_temperature=2.0)
    one = torch.tensor([[4.0, 0, 0, 0, 0, 0, 0]])
    student.distillation.teachers = [lambda x: one, lambda x: -one]
    p, q = (math.exp(z / 2) / (math.exp(z / 2) + 6) for z in (4, -4))
    assert student.distillation.probabilities(torch.zeros(1, 1, 48, 48))[0, 0].item() == pytest.approx(
        (p + q) / 2, rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("views", [0, 3])
def test_a_student_with_nothing_but_its_teacher_ends_up_near_it(views):
    teacher = run_all(training(epochs=6, learning_rate=3e-3)).model.eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    dataset = make_dataset()
    wrong = dataclasses.replace(dataset, labels=(dataset.labels + 1) % 7)  # its labels teach something else
    config = tiny_config(epochs=6, learning_rate=3e-3, seed=1, distillation_weight=1.0, cached_views=views)
    student = Training(config, wrong, make_split(wrong, "official", 0.1, 1), CPU, teachers=[teacher])
    run_all(student)
    faces = torch.from_numpy(dataset.images[dataset.indices("valid")])
    x = (faces[:, None].float() / 255 - config.preprocess.mean) / config.preprocess.std
    with torch.no_grad():
        same = (student.model.eval()(x).argmax(1) == teacher(x).argmax(1)).float().mean().item()
    assert same > 0.7
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert student.distillation.teachers[0] is not teacher


def student_with_views(**changes):
    teacher = training().model.eval()
    dataset = make_dataset()
    config = tiny_config(epochs=3, cached_views=2, **changes)
    return Training(config, dataset, make_split(dataset, "official", 0.1, 0), CPU, teachers=[teacher])


def test_teachers_are_asked_once_for_each_view():
    student = student_with_views()
    teacher, asked = student.distillation.teachers[0], []
    student.distillation.teachers = [lambda x: asked.append(len(x)) or teacher(x)]
    run_all(student)
    assert sum(asked) == 2 * len(student.images)  # the third epoch shows the first one's faces again


def test_views_differ_and_their_answers_belong_to_them():
    student = student_with_views()
    run_all(student)
    (first, answers), (second, _) = (
        student.views._cache.get(student.views._configuration, number) for number in (0, 1)
    )
    assert (first != second).float().mean() > 0.2
    x = (first.float() / 255 - student.config.preprocess.mean) / student.config.preprocess.std
    with torch.no_grad():
        again = torch.softmax(student.distillation.teachers[0](x) / student.config.distillation_temperature, dim=1)
    assert torch.allclose(answers, again, atol=1e-5)


@pytest.mark.slow
def test_a_student_stopped_while_its_view_is_made_goes_on_as_if_never_stopped():
    whole, broken = run_all(student_with_views()), student_with_views()
    assert broken.run_epoch(should_stop=lambda: True) is None
    assert broken.progress.step == 0
    run_all(broken)
    assert all(torch.equal(a, b) for a, b in zip(whole.weights().values(), broken.weights().values(), strict=True))
