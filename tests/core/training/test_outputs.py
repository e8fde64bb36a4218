from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import make_split
from fer_core.data.class_map import apply_class_map, make_class_map
from fer_core.errors import ConfigError, DataError
from fer_core.training.device import Compute
from fer_core.training.loop import Training, torch_settings
from fer_core.training.outputs import make_outputs, split_for_targets
from fer_core.training.step.distillation import ViewCache
from fer_core.training.step.inputs import network_input
from tests.factories import make_dataset, tiny_config, with_votes

CPU = Compute("cpu", "test", "float32", 1)
SETTINGS = [{}, {"optimizer": "sgd", "ema_decay": 0.9, "mixup": 0.3, "label_smoothing": 0.1, "class_weights": "sqrt"}]


def training(targets, dataset=None, compute=CPU, teachers=(), **changes) -> Training:
    config = tiny_config(targets=targets, **changes)
    dataset = dataset or with_votes(make_dataset(), nobody=5)
    return Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute, teachers=teachers)


def run_all(t: Training, **kwargs) -> Training:
    with torch_settings(t.compute):
        while not t.finished and t.run_epoch(**kwargs) is not None:
            pass
    return t


def weights_equal(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def outputs_of(targets, **changes):
    return make_outputs(with_votes(make_dataset(**changes), nobody=5), targets)


def test_each_output_has_its_own_classes_and_place_and_the_votes_are_meant_where_none_is_named():
    assert [(o.target, o.columns, o.suffix) for o in outputs_of("both")] == [
        ("votes", slice(0, 8), ""),
        ("labels", slice(8, 15), "-labels"),
    ]
    assert [(o.target, o.columns, o.suffix) for o in outputs_of("labels")] == [("labels", slice(0, 7), "")]
    (votes,) = outputs_of("votes")
    assert votes.classes == ClassList.ferplus()
    assert votes.targets[10].tolist() == pytest.approx([0, 0, 0, 0.7, 0, 0.3, 0, 0])  # happy, and some surprise
    assert votes.truth[:6].tolist() == [-1] * 5 + [5]


def test_own_votes_have_the_classes_of_the_data_and_a_class_map_reaches_them():
    dataset = with_votes(make_dataset())
    merged = make_class_map(dataset.classes, merge=[("low", ["angry", "sad"])], drop=["disgust"])
    (votes,) = make_outputs(apply_class_map(dataset, merged), "votes")
    assert votes.classes.names == ("low", "fear", "happy", "surprise", "neutral")
    own = dataclasses.replace(
        make_dataset(classes=("a", "b")), votes=np.full((280, 2), [3, 7]), vote_columns=("b", "a")
    )
    (votes,) = make_outputs(own, "votes")
    np.testing.assert_allclose(votes.targets[0], [0.7, 0.3], rtol=1e-6)


def test_faces_without_a_target_are_left_out_and_counted():
    dataset = with_votes(make_dataset(), nobody=5)
    split = make_split(dataset, "official", 0.1, 0)
    kept, notes = split_for_targets(dataset, split, make_outputs(dataset, "votes"), tiny_config(targets="votes"))
    assert (len(kept.train), len(kept.valid)) == (135, 65)
    assert notes == (
        "5 of 140 training faces have no usable votes; they are excluded.",
        "The votes output is validated on the 65 of 70 faces with a majority.",
    )
    kept, notes = split_for_targets(dataset, split, make_outputs(dataset, "both"), tiny_config(targets="both"))
    assert (len(kept.train), len(kept.valid)) == (140, 70)
    assert "they are used for their label only" in notes[0]


@pytest.mark.parametrize("targets", ["votes", "both"])
def test_data_without_votes_are_refused_in_a_sentence_that_says_where_they_come_from(targets):
    with pytest.raises(DataError, match=r"tiny has no votes\. For FER2013, put FER\+'s fer2013new.csv beside"):
        training(targets, make_dataset())


@pytest.mark.parametrize("targets", ["votes", "both"])
def test_votes_that_say_not_a_face_throughout_are_refused(targets):
    with pytest.raises(DataError, match="None of the 140 training faces of tiny has more than half"):
        training(targets, with_votes(make_dataset(), nobody=140))


def test_votes_on_training_faces_alone_cannot_be_validated():
    dataset = with_votes(make_dataset())
    part = dataclasses.replace(dataset, votes=dataset.votes * (dataset.split == "train")[:, None])
    with pytest.raises(DataError, match="None of the validation faces"):
        training("votes", part)
    part = dataclasses.replace(dataset, votes=dataset.votes * (dataset.split != "test")[:, None])
    with pytest.raises(DataError, match="None of the test faces"):
        training("both", part, evaluate_test=True)


def test_majority_labels_and_soft_targets_exclude_each_other():
    with pytest.raises(ConfigError, match="targets 'votes' requires truth 'labels'"):
        TrainConfig.parse({"targets": "votes", "truth": "votes"})


def test_the_prior_is_that_of_the_majorities_or_the_labels_of_the_training_faces():
    votes, labels = training("both").classifiers
    assert (votes.info.target, labels.info.target) == ("votes", "labels")
    assert sum(votes.info.prior) == pytest.approx(1)
    assert votes.info.prior[7] == 0  # nobody's majority is contempt
    assert votes.info.prior[0] == pytest.approx(19 / 135)
    assert labels.info.prior == pytest.approx([1 / 7] * 7)
    assert np.isfinite(votes.with_sensitivity(1).probabilities(make_dataset().images[:3])).all()


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["votes", "both"])
@pytest.mark.parametrize("changes", SETTINGS)
@pytest.mark.parametrize("stop_after", [2, 4])
def test_resume_gives_the_same_weights_as_never_stopping(targets, changes, stop_after, tmp_path):
    whole = run_all(training(targets, **changes))
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps >= stop_after

    first = run_all(training(targets, **changes), should_stop=stop)
    torch.save(first.state_dict(), tmp_path / "state")
    second = training(targets, **changes)
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    run_all(second)
    assert weights_equal(whole.weights(), second.weights())
    assert [r.valid_loss for r in whole.records()] == [r.valid_loss for r in second.records()]


@pytest.mark.slow
def test_a_network_learns_what_people_see_and_the_figures_are_those_of_a_plain_computation():
    t = run_all(training("votes", epochs=6))
    record, faces = t.records()[-1], t.split.valid
    assert record.valid_accuracy > 0.6
    assert record.outputs == {}
    (output,) = t.outputs
    p = t.classifier.probabilities(t.dataset.images[faces]).astype(np.float64)
    assert record.valid_accuracy == np.mean(p.argmax(1) == output.truth[faces])
    assert record.valid_loss == pytest.approx(-(output.targets[faces] * np.log(p)).sum(1).mean(), rel=1e-4)
    assert record.train_accuracy > 0.3


@pytest.mark.slow
def test_both_outputs_learn_and_the_means_of_their_figures_decide():
    t = run_all(training("both", epochs=6))
    record = t.records()[-1]
    votes, labels = record.outputs["votes"], record.outputs["labels"]
    assert min(votes.valid_accuracy, labels.valid_accuracy) > 0.6
    assert record.valid_accuracy == pytest.approx((votes.valid_accuracy + labels.valid_accuracy) / 2)
    assert record.valid_loss == pytest.approx((votes.valid_loss + labels.valid_loss) / 2)
    lines = record.log_lines()
    assert lines[2].startswith(f"Epoch: 6, valid votes Loss: {votes.valid_loss:.4f}, valid votes Acc:")
    assert [c.labels for c in t.classifiers] == [ClassList.ferplus().names, ClassList.fer2013().names]
    assert t.classifiers[1].logits(t.dataset.images[:3]).shape == (3, 7)


def test_the_loss_of_both_is_the_sum_of_the_two_and_a_face_without_votes_counts_for_its_label():
    t = training("both", label_smoothing=0.0, augment={"flip": False, "shift": 0, "scale": 0, "rotation": 0})
    batch = torch.arange(8)  # five of them have no votes
    with torch_settings(CPU):
        t.model.eval()
        plain, _ = t._gradients(batch, torch.tensor(1.0), 0)
        logits = t.model(network_input(t.images[batch].unsqueeze(1).float(), t.config.preprocess)).detach()
    log_votes, log_labels = logits[:, :8].log_softmax(1), logits[:, 8:].log_softmax(1)
    votes, labels = t.outputs
    soft, hard = torch.tensor(votes.targets[:8]), torch.tensor(labels.targets[:8])
    of_votes = -(soft[5:] * log_votes[5:]).sum(1).mean()
    of_labels = -log_labels[torch.arange(8), hard].mean()
    assert plain.item() == pytest.approx(((of_votes + of_labels) / 2).item(), rel=1e-5)
    # the gradient of the sum reaches both halves of the last layer
    wanted = torch.cat(
        [(log_votes.exp() - soft) * (soft.sum(1, keepdim=True) / 3), (log_labels.exp() - torch.eye(7)[hard]) / 8], 1
    )
    assert torch.allclose(t.model.classifier.bias.grad, wanted.sum(0), atol=1e-5)


@pytest.mark.parametrize("targets", ["votes", "both"])
def test_the_leaky_protocol_has_its_honest_figure_by_votes_too(targets):
    config, dataset = tiny_config(targets=targets, protocol="leaky", epochs=1), with_votes(make_dataset(), nobody=5)
    split = make_split(dataset, "leaky", config.holdout_share, 0)
    record = run_all(Training(config, dataset, split, CPU)).records()[0]
    assert record.honest_accuracy is not None
    assert all(output.honest_accuracy is not None for output in record.outputs.values())


@pytest.mark.parametrize("targets", ["votes", "both"])
def test_bfloat16_learns_votes_too(targets):
    records = run_all(training(targets, compute=Compute("cpu", "", "bfloat16", 1), epochs=4)).records()
    assert records[-1].train_loss < records[0].train_loss


@pytest.mark.slow
@pytest.mark.parametrize("views", [0, 2])
def test_both_outputs_are_taught_each_by_its_like(views):
    teacher = run_all(training("both", epochs=6)).model.eval()
    student = training("both", seed=1, epochs=6, distillation_weight=1.0, cached_views=views, teachers=[teacher])
    answer = student.distillation.probabilities(torch.randn(3, 1, 48, 48))
    assert torch.allclose(answer[:, :8].sum(1), torch.ones(3))
    assert torch.allclose(answer[:, 8:].sum(1), torch.ones(3))
    record = run_all(student).records()[-1]
    assert min(o.valid_accuracy for o in record.outputs.values()) > 0.5  # one in seven by chance


@pytest.mark.slow
def test_students_of_labels_and_of_votes_share_views_and_learn_as_if_alone():
    dataset = with_votes(make_dataset(), nobody=5)
    split, both = make_split(dataset, "official", 0.1, 0), make_outputs(dataset, "both")
    teacher = training("both").model.eval()
    asked: list[int] = []

    def student(targets, views=None, **changes):
        config = tiny_config(targets=targets, cached_views=2, **changes)
        t = Training(config, dataset, split, CPU, teachers=[teacher], teacher_outputs=both, views=views)
        own = t.distillation.teachers[0]
        t.distillation.teachers = [lambda x: asked.append(len(x)) or own(x)]
        return run_all(t)

    alone = [student(targets).weights() for targets in ("votes", "labels")]
    assert sum(asked) == 2 * 2 * 140
    kept = ViewCache()
    shared = [student(targets, kept).weights() for targets in ("votes", "labels")]
    assert sum(asked) == 3 * 2 * 140, "the second student finds the views of the first"
    assert all(weights_equal(*pair) for pair in zip(alone, shared, strict=True))
    student("labels", kept, seed=1)
    assert sum(asked) == 4 * 2 * 140, "another seed has other views"


@pytest.mark.real_data
def test_the_faces_of_fer2013_that_can_be_learned_and_judged_are_the_known_ones(fer2013):
    split = make_split(fer2013, "official", 0.1, 0)
    (votes,) = outputs = make_outputs(fer2013, "votes")
    kept, notes = split_for_targets(fer2013, split, outputs, TrainConfig(targets="votes", evaluate_test=True))
    assert (len(kept.train), len(kept.valid), len(votes.with_truth(fer2013.indices("test")))) == (28416, 3199, 3153)
    assert notes[0] == "293 of 28,709 training faces have no usable votes; they are excluded."
    assert votes.prior(kept.valid)[6] == pytest.approx(0.37, abs=0.01)  # what always naming neutral reaches
    assert 0 < min(votes.prior(kept.train)) < 0.01
