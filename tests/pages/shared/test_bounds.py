"""What pages refuse on a shared server, in words: uploads, predictions, trainings, and what is written of them."""

from __future__ import annotations

import json

import pytest

from fer_core.config import TrainConfig
from fer_core.errors import LimitError, QuotaError, RateError
from fer_core.resources import asset
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.quota import Quotas
from fer_core.serve.settings import read_settings
from fer_core.training.runs import Run, list_runs
from pages.ui.shell import identity
from pages.ui.shell.limits import limits, services
from pages.ui.shell.navigation import UploadSource
from pages.ui.teach import recording
from tests.core.live.test_video import make_video
from tests.pages.conftest import wait_for_work, words
from tests.pages.shared.conftest import button, user_of, write_settings
from tests.run_factory import make_run, write_status

TRAIN = "pages/train.py"


def faces(count):
    """A table of faces as an upload."""
    return ("emotion,pixels,Usage\n" + f"3,{' '.join(['7'] * 48 * 48)},Training\n" * count).encode()


def upload(app, content, name="faces.csv"):
    app.segmented_control(key="data-way").set_value("upload").run()
    app.file_uploader[0].set_value((name, content, "text/csv")).run()
    assert not app.exception


def uploads(server, name="anna"):
    folder = user_of(server, name).workspace.uploads
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_full_quota_in_mid_upload_leaves_nothing_half_written(server, open_as):
    write_settings(server, "user_bytes = 1000000")
    app = open_as("anna", "pages/data.py")
    upload(app, faces(300))
    assert "Your space is full" in app.error[0].value
    assert uploads(server) == []
    assert ("refused", "space") in [(one.event, one.detail) for one in AuditLog(server).last()]


def test_an_upload_that_is_too_large_is_refused(server, open_as):
    write_settings(server, "upload_bytes = 10000")
    app = open_as("anna", "pages/data.py")
    upload(app, faces(3))
    assert "at most 10.0 KB are allowed on this server" in app.error[0].value.replace("\\", "")
    assert uploads(server) == []


def test_uploads_are_counted_once_each_and_both_windows_of_a_user_together(server, open_as):
    write_settings(server, "uploads_per_minute = 1")
    first, second = open_as("anna", "pages/data.py"), open_as("anna", "pages/data.py")
    upload(first, faces(2))
    first.run()
    assert not first.error or "per minute" not in first.error[0].value
    upload(second, faces(2))  # the same content is there already
    assert len(uploads(server)) == 1
    third = open_as("anna", "pages/data.py")
    upload(third, faces(4), "others.csv")
    assert "At most 1 upload per minute is allowed" in third.error[0].value
    upload(open_as("bert", "pages/data.py"), faces(4), "others.csv")
    assert (len(uploads(server)), len(uploads(server, "bert"))) == (1, 1)


def test_predictions_beyond_the_rate_wait_and_go_on_later(server, open_as):
    write_settings(server, "predictions_per_minute = 2")
    app = open_as("anna", "pages/upload.py")  # the sample is the first one
    sample = (asset("samples") / "two-portraits.jpg").read_bytes()
    app.file_uploader[0].set_value([(f"{n}.jpg", sample + bytes(n), "image/jpeg") for n in range(3)]).run()
    assert not app.exception
    assert "At most 2 predictions per minute" in app.warning[0].value
    assert "2 photos wait." in app.warning[0].value
    services(server).rates._times.clear()  # a minute passes
    button(app, "Go on with the others").click().run()
    assert not app.warning
    assert len(app.selectbox(key="upload-photo").options) == 3


def test_a_video_that_grows_into_the_quota_leaves_nothing_half_written(server, open_as, tmp_path, monkeypatch):
    make_video(tmp_path / "film.mp4", frames=12)
    require = Quotas.require

    def grown(quotas, user, settings, adding_bytes=0, adding_files=1, *, what="this"):
        """The copy has grown over the quota when the video is asked about on the way."""
        most = settings if adding_files else settings.model_copy(update={"user_bytes": 1})
        require(quotas, user, most, adding_bytes, adding_files, what=what)

    monkeypatch.setattr(Quotas, "require", grown)
    app = open_as("anna", "pages/upload.py")
    app.segmented_control(key="upload-source").set_value(UploadSource.VIDEO).run()
    app.file_uploader(key="video-file").set_value(("film.mp4", (tmp_path / "film.mp4").read_bytes(), "video/mp4")).run()
    button(app, "Track faces").click().run()
    wait_for_work(app, "video", 60)
    app.run()
    assert not app.exception
    assert "Your space is full" in app.error[0].value
    folder = user_of(server, "anna").workspace.recordings
    assert [path.name for path in folder.iterdir()] == []
    assert len(uploads(server)) == 1


def start(app, name):
    app.text_input(key="train-name").input(name)
    button(app, "Start training").click().run()
    assert not app.exception


def runs(server, name):
    return {run.label.name: run for run in list_runs(user_of(server, name).workspace)}


def test_a_second_training_waits_shows_its_position_and_can_be_canceled_and_resumed(server, open_as):
    app = open_as("anna", TRAIN)
    start(app, "first")
    write_status(runs(server, "anna")["first"], "starting", epochs=3)
    other = open_as("bert", TRAIN)
    start(other, "second")
    mine = runs(server, "bert")["second"]
    assert mine.state == "queued"
    assert "Position 1 in the queue of this server. It is the next one." in words(other)
    button(other, "Cancel").click().run()
    assert mine.state == "stopped"
    button(other, "Resume").click().run()
    assert mine.state == "queued"
    assert services(server).queue.position_of(user_of(server, "bert"), mine.id) == 1


def test_a_training_that_waited_starts_by_itself(server, open_as):
    start(open_as("anna", TRAIN), "first")
    start(open_as("bert", TRAIN), "second")
    write_status(runs(server, "anna")["first"], "finished", epochs=3)
    services(server).queue.advance(read_settings(server))
    assert runs(server, "bert")["second"].state == "starting"


def test_too_many_trainings_in_an_hour_are_refused(server, open_as):
    write_settings(server, "trainings_per_hour = 1")
    app = open_as("anna", TRAIN)
    start(app, "first")
    start(app, "second")
    assert "At most 1 training per hour is allowed" in app.error[0].value
    assert set(runs(server, "anna")) == {"first"}


def test_without_space_no_training_starts(server, open_as):
    write_settings(server, "user_bytes = 1000000")
    app = open_as("anna", TRAIN)
    start(app, "first")
    assert "a training needs 50.0 MB" in app.error[0].value
    assert runs(server, "anna") == {}


def test_an_experiment_waits_for_nobody_but_says_so(server, open_as):
    services(server).queue.submit(user_of(server, "bert"), TrainConfig(), None, read_settings(server))
    app = open_as("anna", "pages/experiments.py")
    app.radio[0].set_value(0).run()
    button(app, "Run the experiment").click().run()
    wait_for_work(app, "experiment", 60)
    app.run()
    assert "1 training at once is allowed on this server" in app.error[0].value


@pytest.fixture
def as_anna(server, monkeypatch):
    """Calls outside of a page are made in a window of Anna."""
    monkeypatch.setattr(identity, "current_user", lambda: user_of(server, "anna"))
    return user_of(server, "anna")


def test_the_files_of_one_upload_count_once_and_each_for_its_size(server, as_anna):
    write_settings(server, "uploads_per_minute = 1", "upload_bytes = 10000")
    now = limits()
    with pytest.raises(LimitError, match=r"This upload has 10\.0 KB"):
        now.require_upload(10, 10_001, kept=False)
    now.require_upload(*[9_000] * 40, kept=False)
    with pytest.raises(RateError, match="1 upload per minute"):
        now.require_upload(10)


def test_without_space_no_take_is_recorded(server, as_anna, monkeypatch):
    write_settings(server, "user_bytes = 1000000")
    as_anna.workspace.takes.mkdir(parents=True)
    (as_anna.workspace.takes / "one").write_bytes(bytes(900_000))
    started = []
    monkeypatch.setattr(recording, "recorder", lambda: type("Recorder", (), {"record": started.append}))
    with pytest.raises(QuotaError, match="a take needs"):
        recording._record("happy")
    assert started == []


def test_in_local_mode_nothing_is_bounded_or_logged(workspace):
    now = limits()
    now.require_upload(10**15)
    now.require_space(10**15, 10**9)
    for _ in range(1000):
        now.count("upload")
    now.note("deleted")
    assert now.space_left() is None
    assert not workspace.root.exists()


def test_what_a_restart_leaves_as_it_was(server, open_as):
    """An upgrade of the server: uploads, marks, runs, the queue and what is in use are all on disk."""
    app = open_as("anna", "pages/data.py")
    upload(app, faces(2))
    anna = user_of(server, "anna")
    make_run("mine", weights=True, workspace=anna.workspace)
    queue, settings = services(server).queue, read_settings(server)
    queue.submit(user_of(server, "bert"), TrainConfig(), "of bert", settings)
    waiting = queue.submit(anna, TrainConfig(), "waits", settings)
    files = sorted(str(path) for path in anna.workspace.root.rglob("*") if path.is_file())
    services.cache_clear()  # the new server
    app = open_as("anna", TRAIN)
    assert {"mine", "waits"} <= set(runs(server, "anna"))
    assert services(server).queue.position_of(anna, waiting.id) == 1
    assert uploads(server)[0].startswith("faces-")
    assert set(files) <= {str(path) for path in anna.workspace.root.rglob("*") if path.is_file()}
    assert "mine" in words(app) + json.dumps([one.options for one in app.selectbox])


def test_a_run_of_another_user_is_out_of_reach_of_the_queue(server, as_anna):
    theirs = services(server).queue.submit(user_of(server, "bert"), TrainConfig(), "x", read_settings(server))
    services(server).queue.cancel(as_anna, Run(as_anna.workspace.runs / theirs.id))
    assert theirs.state == "starting"
    assert not theirs.stop_requested
