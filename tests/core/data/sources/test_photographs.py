from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.config import ReadingConfig
from fer_core.data import load
from fer_core.data.reading import Reading
from fer_core.data.sources.photographs import FaceCropper
from fer_core.data.synthetic import draw_face
from fer_core.errors import DataError, PhotographsFound, UnreadableImage
from fer_core.faces import FaceDetector, crop_face, largest
from fer_core.training.runs import create_run, open_run
from tests.factories import tiny_config
from tests.paths import PROJECT_ROOT
from tests.source_factory import encode, write_folder

PHOTOS = PROJECT_ROOT.parent / "shared" / "data" / "photos"


def scene(seed: int, share: float, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """A gray scene with one drawn face, whose square takes ``share`` of the shorter side."""
    width, height = size
    side = round(share * min(size))
    picture = np.full((height, width), 90, np.uint8)
    face = draw_face(("happy", "sad")[seed % 2], np.random.default_rng(seed), max(48, side))
    top, left = (height - len(face)) // 2, (width - len(face)) // 2
    picture[top : top + len(face), left : left + len(face)] = face
    return picture


def folder(path: Path, share: float, count: int = 8, **extra: bytes) -> Path:
    files = {f"{('happy', 'sad')[i % 2]}/{i}.png": encode(scene(i, share)) for i in range(count)}
    return write_folder(path, {**files, **extra})


def test_scenes_are_refused_with_the_choices(tmp_path, workspace):
    source = folder(tmp_path / "scenes", 0.5)
    with pytest.raises(PhotographsFound, match=r"not face crops.*most are 320×240 pixels.*--crop faces.*--crop none"):
        load(source)
    assert not workspace.root.exists()
    assert len(load(source, crop="none")) == 8


def test_face_crops_are_read_as_they_are(tmp_path):
    drawn = {
        f"{('happy', 'sad')[i % 2]}/{i}.png": encode(draw_face(i % 7, np.random.default_rng(i), 200)) for i in range(8)
    }
    assert load(write_folder(tmp_path / "crops", drawn)).warnings == ()
    small = {name: encode(np.asarray(Image.fromarray(scene(i, 0.5)).resize((80, 60)))) for i, name in enumerate(drawn)}
    assert len(load(write_folder(tmp_path / "small", small))) == 8


def test_cropped_faces_are_those_that_prediction_crops(tmp_path):
    source = folder(tmp_path / "scenes", 0.5, count=6)
    detector = FaceDetector()
    for _ in range(2):  # the second time from the cache
        dataset = load(source, crop="faces")
        for face, name in zip(dataset.images, dataset.ids, strict=True):
            rgb = np.repeat(scene(int(name.split("/")[1][:-4]), 0.5)[..., None], 3, axis=2)
            found = largest(detector.detect(rgb))
            assert found is not None
            assert (face == crop_face(rgb, found)).all()
        assert dataset.warnings == ("Cropped the largest face of each photo (6 of 6).",)


def test_photos_without_a_face_are_excluded_and_named_not_unreadable(tmp_path):
    source = folder(tmp_path / "scenes", 0.5, **{"sad/blank.png": encode(np.full((240, 320), 90, np.uint8))})
    dataset = load(source, crop="faces")
    assert len(dataset) == 8
    assert dataset.warnings == (
        "Cropped the largest face of each photo (8 of 9).",
        "Excluded 1 photos in which no face was found: 'sad/blank.png'.",
    )
    blank = write_folder(
        tmp_path / "blank", {f"{name}/1.png": encode(np.full((99, 99), 90, np.uint8)) for name in ("happy", "sad")}
    )
    with pytest.raises(DataError, match="has no face that the detector finds"):
        load(blank, crop="faces")
    with pytest.raises(UnreadableImage):
        FaceCropper()(b"no image")


def test_the_choice_belongs_to_the_reading_that_forms_commands_and_runs_share(tmp_path, workspace):
    reading = Reading(crop="faces")
    assert "crop" in ReadingConfig.model_fields
    assert reading.arguments()[-2:] == ["--crop", "faces"]
    assert Reading.of(reading.to_dict()) == reading
    assert len(reading.load(folder(tmp_path / "scenes", 0.5), workspace=workspace)) == 8


def test_a_run_older_than_the_choice_was_trained_on_whole_images(workspace):
    import json

    run = create_run(tiny_config(), "old", workspace=workspace)
    path = run.path / "config.json"
    record = json.loads(path.read_bytes())
    del record["config"]["crop"]
    path.write_text(json.dumps(record))
    assert open_run(run.id, workspace).config.crop == "none"


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not beside this checkout")
def test_photographs_in_scenes_are_read_as_well_as_predicted_once_they_are_cropped(tmp_path, workspace):
    """Whole scenes as training images are hardly read at all; cropped, they are read as prediction reads them."""
    from fer_core.inference import Classifier

    with open(PHOTOS / "photos.csv", encoding="utf-8") as file:
        labels = {row["file"]: row["label"] for row in csv.DictReader(file)}
    for name, label in labels.items():
        image = Image.open(PHOTOS / name).convert("RGB")
        wide = Image.new("RGB", (image.width * 3, image.height * 2), (110, 120, 130))
        wide.paste(image, (image.width, image.height // 2))
        (tmp_path / "scenes" / label).mkdir(parents=True, exist_ok=True)
        wide.save(tmp_path / "scenes" / label / name)
    with pytest.raises(PhotographsFound):
        load(tmp_path / "scenes")
    classifier = Classifier.load("compact-people", workspace=workspace)

    def accuracy(crop: str) -> float:
        dataset = load(tmp_path / "scenes", crop=crop)
        predicted = [classifier.classes[i] for i in classifier.probabilities(dataset.images).argmax(axis=1)]
        return float(
            np.mean(
                [dataset.classes.find(name) == label for name, label in zip(predicted, dataset.labels, strict=True)]
            )
        )

    assert accuracy("faces") > accuracy("none") + 0.2


@pytest.mark.parametrize("form", ["parquet", "npz"])
def test_photographs_in_tables_are_noticed_and_cropped_too(tmp_path, form):
    scenes = [scene(i, 0.5) for i in range(8)]
    path = tmp_path / f"scenes.{form}"
    if form == "npz":
        np.savez(path, images=np.stack(scenes), labels=np.array(["happy", "sad"] * 4))
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"image": [encode(one) for one in scenes], "label": ["happy", "sad"] * 4}), path)
    with pytest.raises(PhotographsFound, match=r"most are 320×240 pixels"):
        load(path)
    cropped = load(path, crop="faces")
    assert (
        cropped.images
        == load(folder(tmp_path / "files", 0.5), crop="faces").images[np.argsort([0, 2, 4, 6, 1, 3, 5, 7])]
    ).all()
    assert "Cropped the largest face of each photo (8 of 8)." in cropped.warnings
    assert len(load(path, crop="none")) == 8
