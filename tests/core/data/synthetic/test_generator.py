from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.duplicates import pixel_groups
from fer_core.data.synthetic import DEFAULT_COUNT, draw_face, generator, make_dataset, parse_source
from fer_core.errors import DataError

SEVEN = ClassList.fer2013().names


@pytest.fixture(scope="module")
def faces():
    return make_dataset(700)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("synthetic", DEFAULT_COUNT),
        ("synthetic:70", 70),
        (" Synthetic:1000 ", 1000),
        ("faces.zip", None),
        ("syntheticx", None),
    ],
)
def test_the_source_tells_how_many_faces_are_wanted(source, count):
    assert parse_source(source) == count


@pytest.mark.parametrize(
    "source",
    [
        "synthetic:",
        "synthetic:69",
        "synthetic:200001",
        "synthetic:-70",
        "synthetic:7e2",
        "synthetic:" + "9" * 99,
        "synthetic:٧٠٠",
    ],
)
def test_impossible_numbers_of_faces_are_refused(source):
    with pytest.raises(DataError, match="from 70 to 200,000"):
        parse_source(source)


def test_classes_are_balanced_within_each_split(faces):
    assert faces.counts() == {"train": 490, "valid": 105, "test": 105}
    for counts in faces.per_class().values():
        assert max(counts.values()) == min(counts.values())


@pytest.mark.parametrize("count", [70, 71, 76, 99])
def test_every_split_has_every_class_for_any_number_of_faces(count):
    dataset = make_dataset(count)
    assert len(dataset) == count
    assert all(min(counts.values()) >= 1 for counts in dataset.per_class().values())


@pytest.mark.slow
@pytest.mark.parametrize("cores", [2, 3])
def test_the_same_seed_draws_the_same_faces_on_any_number_of_cores(monkeypatch, cores):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    alone = make_dataset(210, seed=5)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(generator, "_WORTH_A_HELPER", 70)
    assert make_dataset(210, seed=5).fingerprint == alone.fingerprint
    assert make_dataset(210, seed=6).fingerprint != alone.fingerprint


@pytest.fixture
def two_processes(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(generator, "_WORTH_A_HELPER", 35)


@pytest.mark.parametrize("helper", ["raise SystemExit(1)", "print('x' * 9000)", "import time; time.sleep(600)"])
def test_a_helper_that_fails_or_hangs_or_talks_nonsense_costs_time_only(monkeypatch, two_processes, helper, faces):
    monkeypatch.setattr(generator, "_HELPER", helper)
    assert (make_dataset(70).images == faces.images[:70]).all()


def test_without_a_second_process_everything_is_drawn_here(monkeypatch, two_processes, faces):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert (make_dataset(70).images == faces.images[:70]).all()


def test_a_helper_writes_every_nth_face(capfdbinary, faces):
    generator.write_faces(1, 10, 3, 2013)
    records = np.frombuffer(capfdbinary.readouterr().out, np.uint8).reshape(3, -1)
    assert (records[:, : 48 * 48].reshape(-1, 48, 48) == faces.images[1:10:3]).all()


def test_no_helper_outlives_a_cancelled_drawing(two_processes):
    started = []
    original = subprocess.Popen

    class Popen(original):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", Popen)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(700, cancel)
    assert len(started) == 1
    assert started[0].poll() is not None


def test_progress_never_runs_backwards_and_ends_at_the_number_of_faces(two_processes):
    calls = []
    make_dataset(350, lambda *call: calls.append(call))
    assert calls == sorted(calls)
    assert calls[-1] == (350, 350)
    assert len(calls) > 5


def test_no_two_faces_are_the_same(faces):
    assert len(np.unique(pixel_groups(faces.images))) == 700


def test_faces_are_neither_blank_nor_blown_out(faces):
    deviation = faces.images.reshape(700, -1).std(axis=1)
    assert deviation.min() > 10
    clipped = ((faces.images == 0) | (faces.images == 255)).mean(axis=(1, 2))
    assert clipped.mean() < 0.05
    assert 90 < faces.images.mean() < 165


@pytest.mark.slow
def test_the_seed_network_learns_the_drawn_faces_but_not_in_one_epoch(workspace):
    from fer_core.config import TrainConfig
    from fer_core.training import train

    result = train(TrainConfig(data="synthetic", epochs=3))
    accuracies = [record.valid_accuracy for record in result.records]
    assert accuracies[0] < 0.8
    assert accuracies[-1] > 0.5


def test_the_faces_are_those_that_the_drawing_makes(faces):
    seeds = np.random.SeedSequence(2013).spawn(700)  # each face has a stream of its own
    for i in (0, 8, 699):
        assert (faces.images[i] == draw_face(SEVEN[i % 7], np.random.default_rng(seeds[i]))).all()
        assert faces.ids[i] == f"synthetic/{SEVEN[i % 7]}/{i // 7:05d}"


def test_the_data_room_loads_no_opencv_until_it_is_needed():
    script = (
        "import sys, fer_core.data; print([m for m in ('cv2', 'torch', 'PIL', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
