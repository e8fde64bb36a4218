import csv
import io
import re
import threading
import time
import zlib

import numpy as np
import pytest
import streamlit as st
from PIL import Image

import pages.ui.upload.occlusion
import pages.ui.upload.photo_cache
from fer_core.resources import asset
from fer_core.workspace import Workspace
from pages.ui.shell.navigation import UploadSource
from pages.ui.upload.source import SAMPLES
from tests.pages.conftest import check, wait_for_work, words
from tests.run_factory import make_run
from tests.source_factory import heic

SAMPLE = asset("samples")


def file(name, sample="two-portraits.jpg"):
    return (name, (SAMPLE / sample).read_bytes(), "image/jpeg")


def picture(width, height, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 90)).save(buffer, kind, **options)
    return buffer.getvalue()


def click(app, label):
    next(button for button in app.button if button.label == label).click().run()


def finish(app, key):
    """Wait for the work at a place of the page, then draw the page again."""
    wait_for_work(app, key, 60)
    app.run()
    check(app)


def images(app):
    return [image.proto.imgs[0].alt for image in app.get("image")]


def test_it_opens_with_a_sample_its_faces_and_their_maps(open_page):
    app = open_page("upload")
    assert any(alt.startswith("5 faces: 1 happy") for alt in images(app))
    assert "Face 1: happy" in words(app)
    assert "Grad-CAM" in words(app)
    assert "Gradient" in words(app)
    assert "Eyes and mouth get" in words(app)


def test_boxes_and_names_are_drawn_in_one_thread_whichever_thread_the_page_runs_in(open_page, monkeypatch):
    threads = []
    real = pages.ui.upload.photo_cache.draw_photo
    monkeypatch.setattr(
        "pages.ui.upload.photo_cache.draw_photo", lambda *a: threads.append(threading.current_thread()) or real(*a)
    )
    app = open_page("upload")
    app.run()
    assert len(threads) >= 2
    assert len(set(threads)) == 1


def test_another_class_changes_the_map_and_another_face_the_bars(open_page):
    app = open_page("upload")
    before = [image.proto.imgs[0].url for image in app.get("image")]
    next(box for box in app.selectbox if box.label == "Explain the class").select("sad").run()
    check(app)
    after = [image.proto.imgs[0].url for image in app.get("image")]
    assert sum(a != b for a, b in zip(before, after, strict=True)) >= 2
    next(control for control in app.pills if control.label == "Face").set_value(2).run()
    check(app)
    assert "Face 3: surprise" in words(app)


def test_hostile_files_are_refused_one_by_one_and_the_others_go_on(open_page):
    small = picture(40, 40)
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + small[24:29]
    bomb = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    hostile = [
        ("text.jpg", b"I am no picture at all, whatever my name says.", "image/jpeg"),
        ("cut.jpg", (SAMPLE / "two-portraits.jpg").read_bytes()[:4000], "image/jpeg"),
        ("bomb.png", bomb, "image/png"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "image/svg+xml"),
    ]
    app = open_page("upload")
    odd = '<img src=x onerror="alert(1)">\u202egnp.jpg'
    app.file_uploader[0].set_value([*hostile, file(odd), ("dot.png", picture(1, 1), "image/png")]).run()
    check(app, errors=4)
    said = "\n".join(error.value for error in app.error)
    for name, reason in (
        ("text.jpg", "text file"),
        ("cut.jpg", "truncated"),
        ("bomb.png", "80 million"),
        ("drawing.svg", "SVG"),
    ):
        line = next(line for line in said.splitlines() if line.startswith(f"**{name}**"))
        assert reason in line
    assert "\u202e" not in words(app)
    assert r"\<img" in words(app)
    assert any(alt.startswith("2 faces") for alt in images(app))
    assert next(box for box in app.selectbox if box.label == "Photo").options[1].endswith("(no face)")


def test_a_heic_of_a_phone_is_read(open_page):
    app = open_page("upload")
    with Image.open(SAMPLE / "two-portraits.jpg") as sample:
        data = heic(np.asarray(sample.convert("RGB")))
    app.file_uploader[0].set_value([("IMG_0001.HEIC", data, "image/heic")]).run()
    check(app)
    assert any(alt.startswith("2 faces") for alt in images(app))


def test_many_files_show_few_refusals_and_a_table(open_page):
    app = open_page("upload")
    app.file_uploader[0].set_value([(f"{i}.jpg", b"text", "image/jpeg") for i in range(40)]).run()
    check(app, errors=6)
    assert any("34 more" in box.label for box in app.expander)


def test_no_face_is_said_and_one_can_be_marked_by_numbers(open_page):
    app = open_page("upload")
    app.file_uploader[0].set_value([("wall.png", picture(320, 240), "image/png")]).run()
    check(app)
    assert "No face was detected" in words(app)
    assert not any(alt.startswith("1 face") for alt in images(app))
    click(app, "Mark")
    check(app)
    assert any(alt.startswith("1 face") for alt in images(app))
    assert "marked by hand" in words(app)


def test_the_fallen_portrait_is_read_upright(open_page):
    app = open_page("upload")
    next(control for control in app.segmented_control if "sample" in control.label).set_value(
        "fallen-portrait.jpg"
    ).run()
    check(app)
    assert "Face 1: happy" in words(app)
    assert "Face detector: 91% confident." in words(app)


@pytest.mark.slow
def test_the_map_is_tested_when_asked(open_page):
    app = open_page("upload")
    click(app, "Check the Grad-CAM map")
    finish(app, "belief")
    assert "randomized weights the map" in words(app)
    assert "Agreement with other methods" in words(app)


@pytest.mark.slow
def test_the_slow_methods_come_when_asked(open_page):
    app = open_page("upload")
    assert "SmoothGrad" not in words(app)
    click(app, "Compute the slow methods")
    finish(app, "slow-maps")
    assert all(title in words(app) for title in ("SmoothGrad", "Integrated gradients", "Occlusion"))


def test_the_sentence_is_measured_over_the_validation_split(open_page):
    app = open_page("upload")
    click(app, "Measure on the whole validation split")
    finish(app, "study")
    assert "validation split:" in words(app)
    assert "n = 70" in words(app)


def fold_cover(app, *, out):
    """Fold the part "Cover a part of the face" out or in, and draw the page again."""
    assert [box.label for box in app.expander].count("Cover a part of the face") == 1
    app.session_state["cover"] = out
    app.run()
    check(app)


def charts(app):
    return [chart.proto.alt for chart in app.get("plotly_chart")]


def patch_said(app):
    return next(text.value for text in app.markdown if "**Still " in text.value or " instead of " in text.value)


def patch_number(app, field):
    return next(number for number in app.number_input if number.key and number.key.endswith(f"-{field}"))


def test_covering_draws_and_computes_nothing_until_it_is_unfolded(open_page, monkeypatch):
    asked = []
    real = pages.ui.upload.occlusion.occlude
    monkeypatch.setattr("pages.ui.upload.occlusion.occlude", lambda *a: asked.append(a) or real(*a))
    app = open_page("upload")
    assert not asked
    assert not app.number_input
    before = charts(app)
    assert [alt.partition(":")[0].partition(" ")[0] for alt in before] == ["Face", "Eyes"]  # probabilities, regions
    fold_cover(app, out=True)
    assert len(asked) == 1
    assert len(app.number_input) == 4
    assert len(charts(app)) == 4
    assert "The face, to drag a rectangle in" in charts(app)
    fold_cover(app, out=False)
    assert len(asked) == 1
    assert not app.number_input
    assert charts(app) == before


def test_another_patch_moves_the_bars(open_page):
    app = open_page("upload")
    fold_cover(app, out=True)
    before = patch_said(app)
    patch_number(app, "height").set_value(1).run()
    check(app)
    assert patch_said(app) != before


def test_the_patch_and_the_rest_of_the_page_stay_while_it_is_folded(open_page):
    app = open_page("upload")
    fold_cover(app, out=True)
    next(control for control in app.pills if control.label == "Face").set_value(1).run()
    next(box for box in app.selectbox if box.label == "Explain the class").select("sad").run()
    next(slider for slider in app.slider if slider.label.startswith("Opacity")).set_value(25).run()
    assert app.session_state["cover"]  # another face leaves it unfolded
    for field, value in (("left", 3), ("top", 20), ("width", 41), ("height", 9)):
        patch_number(app, field).set_value(value).run()
    said = patch_said(app)
    fold_cover(app, out=False)
    app.run()  # and a rerun while it is folded
    assert not app.number_input
    assert "Face 2" in words(app)
    fold_cover(app, out=True)
    assert [patch_number(app, field).value for field in ("left", "top", "width", "height")] == [3, 20, 41, 9]
    assert patch_said(app) == said
    face = next(control for control in app.pills if control.label == "Face")
    assert face.value == 1
    assert next(box for box in app.selectbox if box.label == "Explain the class").value == "sad"
    assert next(slider for slider in app.slider if slider.label.startswith("Opacity")).value == 25
    face.set_value(0).run()
    assert [patch_number(app, field).value for field in ("left", "top", "width", "height")] == [14, 32, 20, 10]
    next(control for control in app.pills if control.label == "Face").set_value(1).run()
    check(app)
    assert [patch_number(app, field).value for field in ("left", "top", "width", "height")] == [3, 20, 41, 9]


def test_a_folder_becomes_a_table(open_page, tmp_path):
    (tmp_path / "a.jpg").write_bytes((SAMPLE / "two-portraits.jpg").read_bytes())
    (tmp_path / "b.jpg").write_bytes(picture(320, 240, "JPEG"))
    (tmp_path / "c.jpg").write_text("no picture")
    app = open_page("upload")
    app.segmented_control(key="upload-source").set_value(UploadSource.FOLDER).run()
    app.text_input(key="folder-path").input(str(tmp_path)).run()
    click(app, "Detect faces")
    finish(app, "folder")
    found = {metric.label: metric.value for metric in app.metric}
    assert found == {"Photos": "3", "Faces": "2", "No face": "1", "Unreadable": "1"}
    assert len(list(Workspace.default().predictions.iterdir())) == 1


def test_a_folder_that_is_not_there_is_refused_in_a_sentence(open_page, tmp_path):
    app = open_page("upload")
    app.segmented_control(key="upload-source").set_value(UploadSource.FOLDER).run()
    app.text_input(key="folder-path").input(str(tmp_path / "nowhere")).run()
    check(app, errors=1)
    assert "nowhere" in app.error[0].value


def test_a_face_sent_by_another_page_gets_the_same_probabilities(open_page):
    from fer_core.inference import Classifier, default_model
    from pages.ui.upload.photo_cache import Model, Upload, analyze, encode

    crop = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    looked = analyze(Upload("face.png", encode(crop, ".png"), ((0, 0, 48, 48),)), Model.of(default_model()))
    (face,) = looked.result.faces
    assert (face.crop == crop).all()
    assert face.probabilities == pytest.approx(Classifier.load(default_model()).probabilities(crop)[0], abs=1e-6)


def send_a_face(app) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    app.session_state["fer.sent_face"] = (crop, time.monotonic())


def test_a_face_sent_by_another_page_waits_until_it_was_shown_whole(open_page, monkeypatch):
    app = open_page("upload")
    send_a_face(app)
    with monkeypatch.context() as patch:  # another page's timer cuts the run off
        patch.setattr("pages.ui.upload.analysis.explain_face", lambda *_: st.stop())
        app.run()
        assert "fer.sent_face" in app.session_state
    app.run()
    check(app)
    assert "fer.sent_face" not in app.session_state
    assert "face from the webcam.png" in words(app)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_there(name):
    assert (SAMPLE / name).is_file()


def test_a_video_is_followed_and_its_timeline_drawn(open_page, tmp_path):
    import av

    path = tmp_path / "film <1>.mp4"
    frame = np.asarray(Image.open(SAMPLE / "two-portraits.jpg").resize((480, 320)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 480, 320, "yuv420p"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    app = open_page("upload")
    app.segmented_control(key="upload-source").set_value(UploadSource.VIDEO).run()
    app.text_input(key="video-path").input(str(path)).run()
    click(app, "Track faces")
    finish(app, "video")
    assert "**4** frames" in words(app)
    assert "2 people tracked" in words(app)
    names = sorted(kept.name for kept in Workspace.default().recordings.iterdir())
    assert len(names) == 2
    assert all(re.fullmatch(r"film-1-faces-[0-9a-f]{8}\.(csv|mp4)", name) for name in names)
    assert "Person 1 over time" in words(app)


def test_a_text_file_is_no_video(open_page, tmp_path):
    (tmp_path / "film.mp4").write_text("no film")
    app = open_page("upload")
    app.segmented_control(key="upload-source").set_value(UploadSource.VIDEO).run()
    app.text_input(key="video-path").input(str(tmp_path / "film.mp4")).run()
    click(app, "Track faces")
    wait_for_work(app, "video", 60)
    app.run()
    check(app, errors=1)
    assert "is not a video" in app.error[0].value


def slider(app, label):
    return next((slider for slider in app.slider if slider.label == label), None)


def test_the_sensitivity_is_chosen_beside_the_photograph_and_counts_for_every_face(open_page):
    from pages.ui.upload.photo_cache import Model, Upload, analyze

    app = open_page("upload")
    assert slider(app, "Sensitivity").value == 0.5
    before = {alt for alt in images(app) if alt.startswith("5 faces")}
    slider(app, "Sensitivity").set_value(1.0).run()
    check(app)
    assert {alt for alt in images(app) if alt.startswith("5 faces")} != before
    at = [Model("compact-people", 0, value) for value in (0.0, 1.0)]
    upload = Upload("photo.jpg", (SAMPLE / "five-portraits.jpg").read_bytes())
    least, most = (analyze(upload, model).result.faces[0].probabilities for model in at)
    assert np.abs(least - most).max() > 0.01
    # the same at the Webcam
    app.switch_page("pages/webcam.py").run()
    assert slider(app, "Sensitivity").value == 1.0


def test_each_sensitivity_has_a_folder_table_of_its_own(open_page, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "two.jpg").write_bytes((SAMPLE / "two-portraits.jpg").read_bytes())
    app = open_page("upload")
    app.segmented_control(key="upload-source").set_value(UploadSource.FOLDER).run()
    for value in (0.25, 0.75):
        slider(app, "Sensitivity").set_value(value).run()
        app.text_input(key="folder-path").input(str(folder)).run()
        click(app, "Detect faces")
        finish(app, "folder")
    tables = [
        list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
        for path in Workspace.default().predictions.glob("*.csv")
    ]
    assert sorted(sorted({row["sensitivity"] for row in table}) for table in tables) == [["0.25"], ["0.75"]]


def test_a_model_without_a_prior_has_no_slider_on_the_upload_page(open_page):
    run = make_run("no prior", weights=True)
    app = open_page("upload")
    app.selectbox(key="model-in-use").select(run.id).run()
    check(app)
    assert slider(app, "Sensitivity") is None
    assert "as if every expression" not in words(app)


def test_two_videos_of_one_name_and_names_without_latin_letters_get_files_of_their_own(tmp_path):
    from pages.ui.upload.photo_cache import Model
    from pages.ui.upload.video import _download_name, _outputs

    sources = [
        tmp_path / "a" / "IMG_0001.mp4",
        tmp_path / "b" / "IMG_0001.mp4",
        tmp_path / "照片.mp4",
        tmp_path / "אב.mp4",
    ]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        source.touch()
    models = [Model("compact", 1, 0.0), Model("compact", 1, 0.5), Model("seed", 1, 0.0)]
    paths = {path for source in sources for model in models for path in _outputs(source, model)}
    assert len(paths) == 2 * len(sources) * len(models)
    assert _download_name(_outputs(sources[0], models[0])[0]) == "IMG_0001-faces.mp4"
