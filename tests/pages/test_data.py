import io
import shutil

import pytest

from fer_core.errors import WorkspaceError
from fer_core.workspace import Workspace, write_json
from pages.ui.shell.uploads import safe_name, save_upload
from tests.core.data.sources.test_photographs import scene
from tests.factories import untrained_checkpoint
from tests.pages.conftest import check, image_folder, words
from tests.run_factory import make_run
from tests.source_factory import encode, png, write_folder


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def test_it_opens_with_the_data_in_use_counted_and_shown(open_page):
    app = open_page("data")
    assert metric(app, "Faces") == "280"
    assert metric(app, "Train") == "140"
    assert "All classes have " in words(app)
    assert app.get("bidi_component"), "the wall of faces"
    assert any(len(block.value) == 64 for block in app.code), "the fingerprint"


def test_a_folder_on_this_machine_is_opened_and_used_everywhere(open_page, tmp_path):
    folder = image_folder(tmp_path / "my faces")
    app = open_page("data")
    app.segmented_control(key="data-way").set_value("path").run()
    next(box for box in app.text_input if box.label == "Path").input(str(folder))
    next(button for button in app.button if button.label == "Open").click().run()
    check(app)
    assert metric(app, "Faces") == "35"
    next(button for button in app.button if button.label == "Use this data").click().run()
    check(app)
    assert any("my faces" in text.value for text in app.sidebar.markdown)
    another_window = open_page("data")
    assert metric(another_window, "Faces") == "35"


def test_a_path_that_leads_nowhere_is_refused_in_a_sentence_and_the_data_in_use_stays(open_page, tmp_path):
    app = open_page("data")
    app.segmented_control(key="data-way").set_value("path").run()
    next(box for box in app.text_input if box.label == "Path").input(str(tmp_path / "no_such_*thing*.zip"))
    next(button for button in app.button if button.label == "Open").click().run()
    check(app, errors=1)
    assert r"no\_such\_\*thing\*.zip" in app.error[0].value
    assert any("Built-in faces" in text.value for text in app.sidebar.markdown)
    assert not Workspace.default().app_state.exists()


def test_broken_faces_are_refused_until_asked_to_be_left_out_and_training_leaves_them_out_too(
    open_page, tmp_path, monkeypatch
):
    folder = image_folder(tmp_path / "mine")
    (folder / "train" / "happy" / "broken.png").write_bytes(b"not a picture")
    state_of = {}
    monkeypatch.setattr(
        "fer_core.training.background.start",
        lambda config, name=None, workspace=None, processes=1: state_of.update(config=config) or 1 / 0,
    )
    app = open_page("data")
    app.segmented_control(key="data-way").set_value("path").run()
    next(box for box in app.text_input if box.label == "Path").input(str(folder))
    next(button for button in app.button if button.label == "Open").click().run()
    check(app, errors=1)
    assert "broken.png" in app.error[0].value
    next(toggle for toggle in app.toggle if "unreadable" in toggle.label).set_value(True).run()
    check(app)
    assert metric(app, "Faces") == "35"
    assert any("broken.png" in warning.value for warning in app.warning)
    next(button for button in app.button if button.label == "Use this data").click().run()
    app.switch_page("pages/train.py").run()
    next(box for box in app.number_input if box.label == "Batch size").set_value(7).run()
    next(button for button in app.button if button.label == "Start training").click().run()
    assert state_of["config"].skip_unreadable is True


def test_an_uploaded_csv_is_kept_in_the_workspace_and_opened(open_page):
    pixels = " ".join(["100"] * 2304)
    rows = "".join(f"{i % 7},{pixels},{usage}\n" for usage in ("Training", "PublicTest") for i in range(14))
    app = open_page("data")
    app.segmented_control(key="data-way").set_value("upload").run()
    app.file_uploader[0].set_value(("../../my data.csv", ("emotion,pixels,Usage\n" + rows).encode(), "text/csv")).run()
    check(app)
    assert metric(app, "Faces") == "28"
    kept = list(Workspace.default().uploads.iterdir())
    assert len(kept) == 1
    assert kept[0].name.startswith("my-data-")


def test_reshuffling_shows_other_faces(open_page):
    app = open_page("data")
    before = app.get("bidi_component")[0].proto.json
    next(button for button in app.button if button.label == "Reshuffle").click().run()
    assert app.get("bidi_component")[0].proto.json != before


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("fer2013.zip", "fer2013.zip"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\faces.csv", "faces.csv"),
        ("my faces (1).zip", "my-faces-1.zip"),
        ("..", "upload"),
        ("", "upload"),
        ("emoji 😀.csv", "emoji.csv"),
        ("x" * 300 + ".zip", "x" * 60 + ".zip"),
    ],
)
def test_names_of_uploads_become_safe(name, kept):
    assert safe_name(name) == kept


def test_the_same_upload_is_kept_once_and_another_with_its_name_beside_it(workspace):
    first = save_upload(io.BytesIO(b"one"), "a.zip", Workspace.default())
    assert save_upload(io.BytesIO(b"one"), "a.zip", Workspace.default()) == first
    assert save_upload(io.BytesIO(b"two"), "a.zip", Workspace.default()) != first
    assert first.read_bytes() == b"one"
    assert first.parent == workspace.uploads


def test_an_upload_that_breaks_off_leaves_nothing(workspace):
    class Breaks(io.BytesIO):
        reads = 0

        def read(self, n=-1):
            self.reads += 1
            if self.reads > 3:
                raise OSError("gone")
            return super().read(n)

    with pytest.raises(WorkspaceError):
        save_upload(Breaks(b"x" * 10), "a.zip", Workspace.default())
    assert list(workspace.uploads.iterdir()) == []


def test_two_folders_of_one_emotion_can_be_read_by_their_own_names_with_one_click(open_page, tmp_path):
    folder = image_folder(tmp_path / "mine")
    shutil.copytree(folder / "train" / "angry", folder / "train" / "anger")
    app = open_page("data")
    app.segmented_control(key="data-way").set_value("path").run()
    next(box for box in app.text_input if box.label == "Path").input(str(folder))
    next(button for button in app.button if button.label == "Open").click().run()
    check(app, errors=1)
    assert "both mean angry" in app.error[0].value
    app.button(key="read-own-names").click().run()
    check(app)
    assert metric(app, "Classes") == "8"
    assert not [button for button in app.button if button.key == "read-own-names"]
    assert session_choices(app, str(folder)) == {"classes": "folders"}


def session_choices(app, source):
    return app.session_state["fer.readings"][source]


def test_photographs_are_refused_until_the_user_chooses_and_the_choice_holds_in_training(open_page, tmp_path):
    scenes = {f"{('happy', 'sad')[i % 2]}/{i}.png": encode(scene(i, 0.5)) for i in range(8)}
    source = str(write_folder(tmp_path / "scenes", scenes))
    write_json(Workspace.default().app_state, {"data": source})
    app = open_page("data", errors=1)
    assert "not face crops" in app.error[0].value
    app.button(key="read-crop-faces").click().run()
    check(app)
    assert metric(app, "Faces") == "8"
    assert any("Cropped the largest face of each photo" in warning.value for warning in app.warning)
    assert session_choices(app, source) == {"crop": "faces"}
    app.segmented_control(key=f"read-crop-{source}").set_value("none").run()
    check(app)
    assert not [warning for warning in app.warning if "Cropped" in warning.value]
    assert session_choices(app, source) == {"crop": "none"}


def test_a_copy_of_the_data_has_its_own_name_and_warnings_in_an_evaluation(open_page, tmp_path):
    untrained_checkpoint(make_run("mine", epochs=1, weights=True).path / "best.safetensors")
    first, second = (image_folder(tmp_path / name) for name in ("first", "second"))
    (first / "private.txt").write_text("hello")
    for source, own, other in ((first, True, False), (second, False, True)):
        (second / "notes.txt").write_text("hello")
        write_json(Workspace.default().app_state, {"data": str(source)})
        shown = words(open_page("evaluate"))
        assert ("private.txt" in shown, "notes.txt" in shown) == (own, other)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["evaluate", "audit", "train", "experiments"])
def test_the_warnings_of_a_data_set_are_on_every_page_that_uses_it(open_page, tmp_path, page):
    source = image_folder(tmp_path / "mine")
    (source / "notes.txt").write_text("hello")
    write_json(Workspace.default().app_state, {"data": str(source)})
    untrained_checkpoint(make_run("mine", epochs=1, weights=True).path / "best.safetensors")
    app = open_page("data")
    assert any("notes.txt" in warning.value for warning in app.warning)
    app = open_page(page)
    if page == "experiments":  # they read the data once there is a prediction
        app.radio[0].set_value(0).run()
    assert "notes.txt" in words(app)


def test_numbered_folders_can_be_read_as_those_of_a_known_data_set(open_page, tmp_path):
    source = str(write_folder(tmp_path / "mine", {f"{i}/{i}.png": png(i) for i in range(7)}))
    write_json(Workspace.default().app_state, {"data": source})
    app = open_page("data")
    assert any("--classes affectnet: 0 neutral" in warning.value for warning in app.warning)
    app.segmented_control(key=f"read-classes-{source}").set_value("fer2013").run()
    check(app)
    assert "angry" in words(app)
    assert session_choices(app, source) == {"classes": "fer2013"}
