from __future__ import annotations

import sys

import pytest

from fer_core.cli import main
from fer_core.errors import ClusterError, ImageError
from fer_core.inference import Classifier
from fer_core.photos import look_for_photos, predict_paths
from fer_core.photos.remote import is_address, list_photos, read_bytes
from tests.core.faces.conftest import encode, scene
from tests.factories import untrained_checkpoint


@pytest.fixture
def memory():
    """The address of a folder with a face, no face, a text and a broken image; in this process's memory."""
    fsspec = pytest.importorskip("fsspec", reason="needs the extra 'cluster'")
    files = fsspec.filesystem("memory")
    contents = {
        "a.png": encode(scene((200, 100, 200))),
        "sub/b.png": encode(scene()),
        "notes.txt": b"x",
        "c.jpg": b"no",
    }
    for name, content in contents.items():
        files.pipe_file(f"/photos/{name}", content)
    yield "memory://photos"
    files.rm("/photos", recursive=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("s3://bucket/a", True), ("memory://x", True), ("C:/a.jpg", False), ("a.jpg", False), ("://x", False)],
)
def test_addresses_are_told_from_paths(path, expected):
    assert is_address(path) is expected


def test_photos_below_an_address_are_found_read_and_predicted(memory, detector, classifier, tmp_path):
    found = look_for_photos([memory, encode_file(tmp_path)])
    assert [str(file).rpartition("photos")[2] for file in found.files[:3]] == ["/a.png", "/c.jpg", "/sub/b.png"]
    assert [one.reason for one in found.skipped] == ["files that are not images"]
    results = list(predict_paths(found.files, detector, classifier, csv=tmp_path / "out.csv"))
    assert [len(result.faces) for result in results] == [1, 0, 0, 1]
    assert "not a photo" in str(results[1].error)
    assert list(predict_paths(found.files, detector, classifier, csv=tmp_path / "out.csv")) == []


def encode_file(folder):
    (folder / "here.png").write_bytes(encode(scene((200, 100, 200))))
    return folder / "here.png"


def test_what_is_not_there_is_named(memory):
    with pytest.raises(ImageError, match="no file"):
        list_photos(f"{memory}/nowhere")
    with pytest.raises(ImageError, match="no file or folder"):
        read_bytes(f"{memory}/nowhere.png")
    with pytest.raises(ImageError, match="not an address"):
        list_photos("nonsense://bucket")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ClusterError, match="fer-lab\\[cluster\\]"):
        list_photos("s3://bucket")


@pytest.fixture
def bucket(monkeypatch):
    """The name of a bucket with ten photos on an S3 server on this machine."""
    boto3 = pytest.importorskip("boto3", reason="needs the extra 'test'")
    server = pytest.importorskip("moto.server", reason="needs the extra 'test'").ThreadedMotoServer("127.0.0.1", 0, verbose=False)  # fmt: skip
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="faces")
    kinds = [encode(scene((200, 100, 200))), encode(scene((30, 100, 200), (380, 150, 180))), encode(scene())]
    for number in range(10):
        client.put_object(Bucket="faces", Key=f"2026/{number}.png", Body=kinds[number % 3])
    yield "faces"
    client.close()
    server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # connections that s3fs keeps for the next call
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the same, when they are collected
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of botocore and moto
def test_a_bucket_is_read_like_a_folder_and_missing_ones_and_rights_are_named(bucket, tmp_path, detector, monkeypatch):
    classifier = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"), threads=1)
    results = list(predict_paths([f"s3://{bucket}/2026"], detector, classifier, csv=tmp_path / "out.csv"))
    assert [result.file for result in results] == [f"s3://{bucket}/2026/{number}.png" for number in range(10)]
    assert [len(result.faces) for result in results] == [1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    with pytest.raises(ImageError, match="no file"):
        list_photos("s3://nobody-has-this")
    monkeypatch.setattr("aiobotocore.client.AioBaseClient._make_api_call", refuse)
    with pytest.raises(ImageError, match="must not be read with your credentials"):
        list_photos(f"s3://{bucket}/2025")


async def refuse(*_):
    from botocore.exceptions import ClientError

    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "ListObjectsV2")


def test_the_command_line_takes_addresses(memory, tmp_path, capsys):
    model = str(untrained_checkpoint(tmp_path / "m.safetensors"))
    assert main(["predict", memory, "--model", model]) == 0
    assert "memory://photos/a.png" in capsys.readouterr().out.replace("memory:///", "memory://")
