import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.shell.navigation import ACCOUNT, OPERATOR, PAGES, pages
from tests.pages.conftest import check
from tests.paths import PROJECT_ROOT
from tests.run_factory import make_run


def test_every_line_of_the_table_has_a_file_an_address_of_its_own_and_a_sentence():
    assert [page.file for page in pages()] == [page.file for page in PAGES]
    assert len({page.url for page in PAGES}) == len(PAGES)
    assert all(page.purpose.endswith(".") and page.icon.startswith(":material/") for page in PAGES)


def test_every_page_file_stands_in_the_table():
    folder = PROJECT_ROOT / "pages"
    paths = [*folder.glob("*.py"), *folder.glob("shared/*.py")]
    files = {path.relative_to(PROJECT_ROOT).as_posix() for path in paths if path.name != "__init__.py"}
    assert files == {page.file for page in (*PAGES, ACCOUNT, OPERATOR)}


@pytest.mark.parametrize("page", [page.url.replace("-", "_") for page in PAGES])
def test_every_page_opens_on_an_empty_workspace(open_page, page):
    app = open_page(page)
    assert app.title[0].value


@pytest.mark.slow
@pytest.mark.parametrize("page", [page.url.replace("-", "_") for page in PAGES])
def test_every_page_opens_beside_runs_of_every_kind(open_page, page):
    make_run("good", epochs=4, weights=True)
    make_run("as the report did", epochs=4, protocol="leaky", weights=True)
    make_run("broken", epochs=2, planned=9, state="failed", error="The loss <b>exploded</b> *badly*.")
    make_run("power cut", epochs=1, planned=9, state="running")
    (make_run("damaged").path / "config.json").write_text("{")
    app = open_page(page)
    assert app.title[0].value
    assert not any("reference" in error.value for error in app.error), "a defect happened"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page.url.replace("-", "_") for page in PAGES])
def test_every_page_stays_calm_when_a_defect_happens_in_it(open_page, page, monkeypatch):
    from pages.ui.shell.errors import error_log

    def broken(*_, **__):
        raise RuntimeError("a secret path: /home/somebody")

    app = open_page(page)
    monkeypatch.setattr("streamlit.title", broken)
    app.run()
    assert not app.exception
    assert app.error
    for error in app.error:
        assert "reference" in error.value
        assert "secret" not in error.value
    assert "a secret path" in error_log().read_text()


@pytest.mark.first_request
@pytest.mark.parametrize("page", [page.url.replace("-", "_") for page in PAGES])
def test_a_page_opened_first_after_the_server_started_has_its_sidebar(open_page, page):
    app = open_page(page)
    assert app.title
    assert any("Built-in faces" in text.value for text in app.sidebar.markdown)


def test_the_sidebar_names_the_running_training_and_its_progress(open_page):
    from filelock import FileLock

    from tests.run_factory import write_status

    run = make_run("night run", epochs=2, planned=8)
    write_status(run, "running", epoch=2, epochs=8, step=5, steps_per_epoch=10, images_per_second=900, seconds_left=75)
    with FileLock(run.path / "run.lock"):
        app = open_page()
        assert any("night run" in text.value for text in app.sidebar.markdown)
        bar = app.sidebar.progress[0]
        assert bar.text == "Epoch 3 of 8 · step 5 of 10 · 900 images/s · 1 min 15 s left"
        assert bar.value == round(100 * 2.5 / 8)
    app.run()
    check(app)
    assert not app.sidebar.progress


def test_the_chosen_model_is_remembered_by_the_next_window(open_page):
    first, second = make_run("first", weights=True), make_run("second", weights=True)
    app = open_page()
    box = app.sidebar.selectbox[0]
    other = first.id if box.value == second.id else second.id
    box.set_value(other).run()
    assert open_page().sidebar.selectbox[0].value == other


@pytest.mark.parametrize(("asked", "way"), [("video", "Video"), ("snapshot", "Snapshot"), ("Video", "Photos")])
def test_an_address_asks_for_a_way_into_upload(open_page, asked, way):
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
    app.query_params["way"] = asked
    app.switch_page("pages/upload.py").run()
    check(app)
    control = app.segmented_control(key="upload-source")
    assert control.formatted_values[0].endswith(f" {way}")
