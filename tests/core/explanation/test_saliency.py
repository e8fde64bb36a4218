from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from fer_core.classes import ClassList
from fer_core.config import PreprocessConfig
from fer_core.errors import FerError
from fer_core.explanation.saliency import METHODS, explain, explain_batch, make_saliency
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.models import ExpressionModel
from tests.factories import make_dataset, untrained_checkpoint

SEVEN = ClassList.fer2013().names

PLAIN = PreprocessConfig(mean=0.0, std=1.0)


class Linear(ExpressionModel):
    """Logit of class c = sum of the pixels times a plane; the feature map is the input itself."""

    def __init__(self, planes: torch.Tensor) -> None:
        super().__init__()
        self.classifier = nn.Linear(48 * 48, len(planes), bias=False)
        self.classifier.weight.data = planes.flatten(1)

    def features(self, x):
        return x

    def embedding(self, maps):
        return maps.flatten(1)


def linear_classifier(planes=None) -> Classifier:
    if planes is None:
        planes = torch.randn(7, 48, 48, generator=torch.Generator().manual_seed(0))
    return Classifier(
        Linear(planes), CheckpointInfo(architecture="seed", labels=ClassList.fer2013().names, preprocess=PLAIN)
    )


@pytest.fixture
def face():
    return np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)


@pytest.fixture
def seed_classifier(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


def test_the_gradient_of_a_linear_network_is_its_weights(face):
    classifier = linear_classifier()
    found = explain(classifier, face, "gradient", 3)
    weights = classifier.model.classifier.weight[3].reshape(48, 48)
    np.testing.assert_allclose(found.values, weights, atol=1e-6)
    np.testing.assert_allclose(found.positive, weights.abs(), atol=1e-6)


def test_smoothgrad_of_a_linear_network_is_its_gradient_whatever_the_noise(face):
    classifier = linear_classifier()
    np.testing.assert_allclose(
        explain(classifier, face, "smoothgrad", 3).values, explain(classifier, face, "gradient", 3).values, atol=1e-5
    )


def test_integrated_gradients_of_a_linear_network_are_weight_times_pixel_and_sum_to_the_logit(face):
    classifier = linear_classifier()
    found = explain(classifier, face, "integrated_gradients", 2)
    expected = classifier.model.classifier.weight[2].reshape(48, 48).numpy() * face / 255
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert found.values.sum() == pytest.approx(float(classifier.logits(face)[0, 2]), rel=1e-3)


def test_integrated_gradients_are_complete_on_a_real_network(seed_classifier, face):
    """Their sum is the logit of the face minus that of plain gray (Sundararajan et al. 2017, axiom of completeness)."""
    found = explain_batch(seed_classifier, face, "integrated_gradients", np.array([1]))[0]
    with torch.no_grad():
        gray = seed_classifier.model(torch.zeros(1, 1, 48, 48))[0, 1].item()
    assert found.sum() == pytest.approx(float(seed_classifier.logits(face)[0, 1]) - gray, abs=0.02)


def test_gradcam_by_hand():
    """One feature map, the face itself: alpha is the mean of the weights, the map alpha times the face."""
    planes = torch.zeros(7, 48, 48)
    planes[4, :24] = 2.0  # mean over places: 1
    classifier = linear_classifier(planes)
    face = np.zeros((48, 48), np.uint8)
    face[10:20, 10:20] = 255
    found = explain(classifier, face, "gradcam", 4)
    np.testing.assert_allclose(found.values, face / 255, atol=1e-5)


def test_gradcam_agrees_with_captum_on_a_real_network(seed_classifier, face):
    from captum.attr import LayerGradCam

    from fer_core.preprocess import to_tensor

    model = seed_classifier.model
    x = to_tensor(face, seed_classifier.info.preprocess).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's hooks warn about inputs without gradients
        theirs = LayerGradCam(model, model.block4).attribute(x, target=2)
    theirs = torch.nn.functional.interpolate(theirs, size=(48, 48), mode="bicubic", align_corners=False)
    np.testing.assert_allclose(
        explain(seed_classifier, face, "gradcam", 2).values, theirs.detach()[0, 0].numpy(), atol=1e-5
    )


def test_occlusion_of_a_linear_network_is_what_each_patch_contributes():
    planes = torch.zeros(7, 48, 48)
    planes[0, 20, 20] = 1.0
    face = np.zeros((48, 48), np.uint8)
    face[20, 20] = 255
    found = explain(linear_classifier(planes), face, "occlusion", 0)
    assert found.values[20, 20] == pytest.approx(1, abs=1e-5)  # every patch over it takes the whole logit away
    assert found.values[40, 40] == pytest.approx(0, abs=1e-6)
    assert found.values[18, 18] > 0  # patches that cover both


@pytest.mark.parametrize("method", METHODS)
def test_explaining_leaves_the_network_as_it_was(seed_classifier, face, method):
    model = seed_classifier.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rng = torch.get_rng_state()
    explain(seed_classifier, face, method)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(rng, torch.get_rng_state())


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_as_before_after_an_exception_too(seed_classifier, face, method):
    model = seed_classifier.model
    with pytest.raises(FerError, match="stopped"):
        explain(seed_classifier, face, method, should_stop=lambda: True)
    assert not model.training
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_the_maps_of_its_faces(seed_classifier, method):
    faces = make_dataset().images[:3]
    targets = np.array([0, 3, 6])
    batch = explain_batch(seed_classifier, faces, method, targets)
    if method == "smoothgrad":  # its noise depends on the batch
        assert batch.shape == (3, 48, 48)
        return
    for i in range(3):
        np.testing.assert_allclose(
            batch[i], explain(seed_classifier, faces[i], method, int(targets[i])).values, atol=1e-4
        )


@pytest.mark.parametrize("method", ["smoothgrad", "integrated_gradients", "occlusion"])
def test_slow_methods_report_progress_up_to_their_total(seed_classifier, face, method):
    seen: list[tuple[int, int]] = []
    explain(seed_classifier, face, method, on_progress=lambda *p: seen.append(p))
    assert len(seen) > 2
    assert seen[-1][0] == seen[-1][1]


def test_the_same_face_gives_the_same_map_twice(seed_classifier, face):
    first, second = (explain(seed_classifier, face, "smoothgrad", 1).values for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_predicted_class_is_explained_unless_another_is_named(seed_classifier, face):
    predicted = int(seed_classifier.logits(face).argmax())
    assert explain(seed_classifier, face, "gradient").target == predicted
    assert explain(seed_classifier, face, "gradient", "Happiness").label == "happy"


def test_unknown_methods_and_classes_are_refused_with_what_there_is(seed_classifier, face):
    with pytest.raises(FerError, match=r"Unknown method 'xray'.*gradcam"):
        explain(seed_classifier, face, "xray")
    for target in ("contempt", 7, -1):
        with pytest.raises(FerError, match=r"class"):
            explain(seed_classifier, face, "gradient", target)


def test_an_empty_negative_or_broken_map_says_so_in_words():
    zero = np.zeros((48, 48), np.float32)
    assert "zero everywhere" in make_saliency("gradcam", 0, "angry", zero).note
    assert "counts against" in make_saliency("gradcam", 0, "angry", zero - 1).note
    broken = make_saliency("gradient", 0, "angry", zero + np.nan)
    assert "non-finite" in broken.note
    assert not broken.positive.any()
    assert make_saliency("gradient", 0, "angry", zero - 1).note is None  # the size of a reaction has no sign
    fine = make_saliency("gradcam", 0, "angry", np.eye(48, dtype=np.float32) * 4)
    assert fine.note is None
    assert fine.scaled.max() == 1


def test_every_method_explains_itself():
    for method in METHODS.values():
        assert len(method.summary) > 30
        assert any(name in method.source for name in ("20",))
    assert set(SEVEN)
