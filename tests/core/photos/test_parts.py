from __future__ import annotations

import os

import pyarrow.parquet as pq
import pytest

from fer_core.classes import ClassList
from fer_core.cli import main
from fer_core.errors import ImageError, WorkspaceError
from fer_core.photos import predict_paths
from fer_core.photos.parts import ResultParts
from fer_core.photos.result import PhotoResult
from fer_core.photos.table import ResultTable
from tests.core.faces.conftest import fill
from tests.factories import untrained_checkpoint

LABELS = ClassList.fer2013().names


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "photos", 8)


@pytest.fixture
def results(folder, detector, classifier):
    return list(predict_paths([folder], detector, classifier))


def write(parts: ResultParts, results: list[PhotoResult]) -> ResultParts:
    with parts:
        for result in results:
            parts.write(result)
    return parts


def test_parquet_parts_hold_typed_rows(tmp_path, results):
    write(ResultParts(tmp_path / "out", LABELS, "m", 0.5, size=3), results)
    assert sorted(os.listdir(tmp_path / "out")) == [f"part-{number:06}.parquet" for number in range(3)]
    rows = [
        row for number in range(3) for row in pq.read_table(tmp_path / "out" / f"part-{number:06}.parquet").to_pylist()
    ]
    assert [row["file"] for row in rows if row["face"] in (None, 1)] == [result.file for result in results]
    face = results[1].faces[1]
    row = next(row for row in rows if row["file"] == results[1].file and row["face"] == 2)
    assert (row["x"], row["y"], row["w"], row["h"]) == face.box(640, 480)
    assert (row["label"], row["abstained"], row["faces"]) == (face.label, face.abstained, 2)
    assert [row[f"p_{label}"] for label in LABELS] == pytest.approx(face.probabilities.tolist())
    broken = next(row for row in rows if row["error"])
    assert broken["file"].endswith("03.png")
    assert broken["label"] is None


def test_csv_parts_are_tables_of_predict(tmp_path, results):
    write(ResultParts(tmp_path / "out", LABELS, "m", 0.5, "csv", size=5), results)
    for number, those in enumerate((results[:5], results[5:])):
        with ResultTable(tmp_path / "whole.csv", LABELS, "m", 0.5) as whole:
            for result in those:
                whole.write(result)
        assert (tmp_path / "out" / f"part-{number:06}.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
        (tmp_path / "whole.csv").unlink()


@pytest.mark.parametrize("part_format", ["parquet", "csv"])
def test_parts_are_continued(tmp_path, results, part_format):
    first = ResultParts(tmp_path / "out", LABELS, "m", 0.5, part_format, size=3)
    first.__enter__()
    for result in results[:5]:  # then the process is killed: the second part is lost
        first.write(result)
    again = ResultParts(tmp_path / "out", LABELS, "m", 0.5, part_format, size=3)
    assert again.done == {result.file for result in results[:3]}
    write(again, [result for result in results if result.file not in again.done])
    assert ResultParts(tmp_path / "out", LABELS, "m", 0.5).done == {result.file for result in results}
    assert len(os.listdir(tmp_path / "out")) == 3


@pytest.mark.parametrize("part_format", ["parquet", "csv"])
def test_parts_of_something_else_are_refused(tmp_path, results, part_format):
    write(ResultParts(tmp_path / "out", LABELS, "m", 0.5, part_format), results)
    for labels, model, sensitivity in ((LABELS, "other", 0.5), (LABELS, "m", 0.0), (LABELS[:3], "m", 0.5)):
        with pytest.raises(ImageError, match="Choose another"):
            ResultParts(tmp_path / "out", labels, model, sensitivity)
    (tmp_path / "out" / "part-000000.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ImageError, match="damaged; delete it"):
        ResultParts(tmp_path / "out", LABELS, "m", 0.5)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, results):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="file"):
        write(ResultParts(tmp_path / "file" / "out", LABELS), results)


def test_the_command_writes_parts(folder, tmp_path, capsys):
    told = ["predict", str(folder), "--model", str(untrained_checkpoint(tmp_path / "m.safetensors")), "--workers", "1"]
    assert main([*told, "--parts", str(tmp_path / "out")]) == 0
    assert os.listdir(tmp_path / "out") == ["part-000000.parquet"]
    assert main([*told, "--parts", str(tmp_path / "out")]) == 0
    assert "8 of 8 photos were already in" in capsys.readouterr().err
    assert main([*told, "--parts", str(tmp_path / "out"), "--csv", str(tmp_path / "x.csv")]) == 2
