from __future__ import annotations

import numpy as np
import pytest

from fer_core.data import FaceDataset, load
from fer_core.errors import DataError
from fer_core.evaluation.audit import audit_exact, find_near_duplicates, find_suspect_labels
from fer_core.evaluation.human import summarize_votes
from fer_core.images.perceptual_hash import perceptual_hashes
from fer_core.report.audit import audit_html
from tests.factories import make_dataset


def with_faults() -> FaceDataset:
    base = make_dataset(train=14, valid=7, test=7)
    images, labels, ids = base.images.copy(), base.labels.copy(), base.ids.astype("<U40")
    images[7] = images[0]  # same label, same split
    images[15] = images[1]  # train and valid
    images[21] = images[2]  # train and test, conflicting labels below
    labels[21] = 6
    images[5] = 0
    ids[5] = "<script>alert(1)</script>"
    return FaceDataset("faulty <b>", images, labels, base.split.copy(), ids, base.classes)


def test_exact_faults_are_counted_by_hand():
    audit = audit_exact(with_faults())
    record = audit.to_dict()
    assert (record["redundant"], record["groups"]) == (3, 3)
    assert record["cross_split"] == {
        "train/valid": {"images": 1},
        "train/test": {"images": 1},
        "valid/test": {"images": 0},
    }
    assert [sorted(group.tolist()) for group in audit.conflict_groups] == [[2, 21]]
    assert audit.blank.tolist() == [5]


def smooth_faces(n: int, seed: int = 0) -> np.ndarray:
    import cv2

    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 8, 8)).astype(np.uint8)
    return np.stack([cv2.resize(image, (48, 48), interpolation=cv2.INTER_CUBIC) for image in small])


def test_near_duplicates_are_found_and_different_faces_are_not():
    images = smooth_faces(30)
    images[20] = np.clip(images[3].astype(int) + 6, 0, 255)  # brighter
    images[21] = np.clip(images[4] + np.random.default_rng(1).normal(0, 4, (48, 48)), 0, 255)  # noisy
    images[22] = images[5]  # exact copies are not near ones
    base = make_dataset(train=30, valid=0, test=0)
    dataset = FaceDataset("near", images, base.labels.copy(), base.split.copy(), base.ids.copy(), base.classes)
    pairs = find_near_duplicates(dataset, audit_exact(dataset).groups, largest=6)
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == {(3, 20), (4, 21)}
    assert (np.diff(pairs.distance) >= 0).all()


def test_pairs_agree_with_a_slow_plain_search():
    images = smooth_faces(200, seed=2) // 64 * 64  # coarse, so that some come close
    base = make_dataset(train=200, valid=0, test=0)
    dataset = FaceDataset("plain", images, base.labels.copy(), base.split.copy(), base.ids.copy(), base.classes)
    pairs = find_near_duplicates(dataset, np.arange(200), largest=16)
    hashes = [int(h) for h in perceptual_hashes(images)]
    plain = {(i, j) for i in range(200) for j in range(i + 1, 200) if (hashes[i] ^ hashes[j]).bit_count() <= 16}
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == plain


def test_a_hash_agrees_with_the_plain_cosine_transform():
    from scipy.fft import dctn

    image = smooth_faces(1, seed=3)[0]
    low = dctn(image.astype(float), type=2)[1:9, 1:9]
    bits = (low > np.median(low)).ravel()
    # scipy scales all coefficients of one block alike here, so the signs against the median agree
    assert int(perceptual_hashes(image[None])[0]) == int("".join("1" if b else "0" for b in bits), 2)


def test_wrong_labels_are_suspected_first():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 700)
    probabilities = np.full((700, 7), 0.02)
    probabilities[np.arange(700), truth] = 0.88
    labels = truth.copy()
    labels[:10] = (truth[:10] + 1) % 7
    found = find_suspect_labels(labels, probabilities, np.arange(1000, 1700))
    assert set(found.positions[:10].tolist()) == set(range(1000, 1010))
    assert (found.suggested[:10] == truth[found.positions[:10] - 1000]).all()
    assert found.agreement == pytest.approx(690 / 700)
    assert "agree with 99% of the labels" in found.caution


def test_suspects_survive_a_missing_class_and_refuse_foreign_arrays():
    labels = np.array([0, 0, 0, 2, 2, 2])
    probabilities = np.full((6, 7), 0.1)
    probabilities[[0, 1, 2], 0] = 0.5
    probabilities[[3, 4], 2] = 0.5
    probabilities[5, 0] = 0.9
    assert 5 in find_suspect_labels(labels, probabilities, np.arange(6)).positions
    with pytest.raises(DataError, match="belong to different faces"):
        find_suspect_labels(labels, probabilities[:3], np.arange(6))


def test_the_page_shows_names_and_never_runs_them():
    dataset = with_faults()
    audit = audit_exact(dataset)
    page = audit_html(dataset, audit, find_near_duplicates(dataset, audit.groups, 2), None)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "faulty &lt;b&gt;" in page
    assert "http" not in page.replace("data:image/png", "")


@pytest.mark.real_data
def test_the_facts_of_fer2013(fer2013_zip):
    dataset = load(fer2013_zip)
    record = audit_exact(dataset).to_dict()
    assert (record["redundant"], record["groups"], record["label_conflict_groups"], record["blank"]) == (
        1853,
        1516,
        57,
        12,
    )
    assert record["label_conflict_images"] == 160
    assert record["cross_split"]["train/test"]["images"] == 288
    assert record["cross_split"]["train/valid"]["images"] == 280
    from fer_core.data.cleaning import deduplicated

    assert len(deduplicated(dataset, dataset.indices("test"))) == 3275
    if dataset.votes is not None:
        view = summarize_votes(dataset.votes, dataset.vote_columns, dataset.classes, dataset.labels)
        assert view.not_faces == 176
        assert view.top_share == pytest.approx(0.74, abs=0.005)
