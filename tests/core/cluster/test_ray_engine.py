from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fer_core.cli import main
from fer_core.cluster.ray_engine import RayEngine
from fer_core.errors import ClusterError
from fer_core.inference import Classifier
from fer_core.photos import predict_paths
from tests.core.faces.conftest import fill
from tests.factories import untrained_checkpoint


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "photos", 60)


@pytest.fixture
def model(tmp_path):
    return untrained_checkpoint(tmp_path / "model.safetensors")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a Ray cluster of one machine, on loopback."""
    pytest.importorskip("ray", reason="needs the extra 'cluster'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_AUTH_MODE"] = "disabled"
    start = ["start", "--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=2"]
    subprocess.run([*ray, *start, "--include-dashboard=false", "--disable-usage-stats"], check=True, env=environment, capture_output=True)  # fmt: skip
    yield f"127.0.0.1:{port}"
    subprocess.run([*ray, "stop", "--force"], check=True, env=environment, capture_output=True)


def actor_processes() -> list[int]:
    """Process ids of Ray's actors on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_cluster_gives_the_table_and_the_document_of_this_machine(cluster, folder, model, tmp_path, capsys):
    told = ["predict", str(folder), "--model", str(model), "--json", "--csv"]
    assert main([*told, str(tmp_path / "one.csv"), "--workers", "1"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert main([*told, str(tmp_path / "ray.csv"), "--engine", "ray", "--address", cluster]) == 0
    there = json.loads(capsys.readouterr().out)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "ray.csv").read_bytes()
    assert there["photos"] == here["photos"]
    assert there["engine"] == {"name": "ray", "version": RayEngine().version, "actors": 2}
    assert there["inference_engine"] == here["inference_engine"] == here["engine"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_killed_actors_lose_and_double_nothing(cluster, folder, model, detector, tmp_path):
    classifier = Classifier.load(model, threads=1)
    at_once, table = tmp_path / "one.csv", tmp_path / "killed.csv"
    list(predict_paths([folder], detector, classifier, csv=at_once))
    kills = 0
    results = predict_paths([folder], detector, classifier, csv=table, compute=RayEngine(cluster).predict)
    for number, _ in enumerate(results):
        if number in (0, 20, 40):
            for pid in actor_processes()[:1]:
                os.kill(pid, signal.SIGKILL)
                kills += 1
    assert kills >= 1
    assert table.read_bytes() == at_once.read_bytes()


@pytest.mark.slow
def test_without_an_address_ray_starts_here_and_ends(folder, model, detector):
    pytest.importorskip("ray", reason="needs the extra 'cluster'")
    engine = RayEngine(actors=1)
    results = predict_paths([folder], detector, Classifier.load(model, threads=1), compute=engine.predict)
    assert [Path(result.file).stem for result in results] == [f"{number:02}" for number in range(60)]
    assert engine.to_dict()["actors"] == 1
    import ray

    assert not ray.is_initialized()


def test_the_missing_extra_is_named(monkeypatch, folder, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["predict", str(folder), "--engine", "ray"]) == 2
    assert 'pip install "fer-lab[cluster]"' in capsys.readouterr().err


@pytest.mark.parametrize("address", ["nowhere", "host:", ":6379", "host:99999", "host:x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ClusterError, match="expected host:port"):
        RayEngine(address)


def test_an_address_that_does_not_answer_is_named_in_time():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"Nothing answers at {address}"):
            RayEngine(address)


def test_another_service_is_not_taken_for_ray():
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        with pytest.raises(ClusterError, match="is not Ray"):
            RayEngine(f"127.0.0.1:{other.server_port}")


def test_an_address_without_the_engine_is_refused(folder, capsys):
    assert main(["predict", str(folder), "--address", "127.0.0.1:6379"]) == 2
    assert "--engine ray" in capsys.readouterr().err
