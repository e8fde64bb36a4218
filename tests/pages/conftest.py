"""The app run in this process by Streamlit's AppTest, on small data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

import fer_core.data.reading
from fer_core.data.class_map import apply_class_map
from pages.ui.shell import cache
from pages.ui.shell.background import BackgroundState
from pages.ui.shell.errors import error_log
from pages.ui.shell.session import state_key
from tests.factories import make_dataset
from tests.paths import PROJECT_ROOT

FERPLUS_COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""What people could vote for in FER+."""
Open = Callable[..., AppTest]
State = TypeVar("State")


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in faces are 280 small ones here, so that no test draws 4,900; other sources load as always."""
    real = fer_core.data.reading.load

    def load(source: Any, **options: Any) -> fer_core.data.FaceDataset:
        if source.startswith("synthetic"):
            options["on_progress"](280, 280)
            return apply_class_map(make_dataset(name="synthetic"), options.get("class_map", ()))
        return real(source, **options)

    monkeypatch.setattr(fer_core.data.reading, "load", load)
    cache._datasets.clear()


@pytest.fixture(autouse=True)
def warm_server(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """As in a server that has shown a page before. AppTest forgets that between runs, and then takes the folder
    ``pages`` for Streamlit's older kind of app; tests marked ``first_request`` want just that."""
    if request.node.get_closest_marker("first_request"):
        return
    original = PagesManager.__init__

    def init(self: PagesManager, *arguments: Any, **options: Any) -> None:
        PagesManager.uses_pages_directory = False
        original(self, *arguments, **options)

    monkeypatch.setattr(PagesManager, "__init__", init)


@pytest.fixture(autouse=True)
def camera_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera nobody has started: streamlit-webrtc asks for a session manager, which AppTest's server does not have."""
    import streamlit_webrtc

    context = SimpleNamespace(state=SimpleNamespace(playing=False, signalling=False))
    monkeypatch.setattr(streamlit_webrtc, "webrtc_streamer", lambda **_: context)


@pytest.fixture
def open_page() -> Open:
    """Opens the app at a page and checks that nothing went wrong unexpectedly."""

    def opened(page: str = "overview", *, errors: int = 0) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60).run()
        if page != "overview":
            app.switch_page(f"pages/{page}.py").run()
        check(app, errors)
        return app

    return opened


def check(app: AppTest, errors: int = 0) -> None:
    """No traceback on the page, no defect in the log, and as many calm errors as expected."""
    assert not app.exception
    assert not error_log().exists(), error_log().read_text()
    assert len(app.error) == errors, [error.value for error in app.error]


def state_in(app: AppTest, kind: type[State]) -> State:
    """What the app's window keeps in a state class."""
    return app.session_state[state_key(kind)]


def wait_for_work(app: AppTest, place: str, seconds: float) -> None:
    """Wait until the background work at a place of the page has ended."""
    thread = state_in(app, BackgroundState).at[place].thread
    thread.join(seconds)
    assert not thread.is_alive()


def words(app: AppTest) -> str:
    """All the text a page shows outside its widgets."""
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.success]
    return "\n".join(str(part.value) for part in parts)


def image_folder(root: Path, per_class: int = 3) -> Path:
    """A folder with a sub-folder of small pictures for each emotion, in train, valid and test."""
    from PIL import Image

    dataset = make_dataset(train=7 * per_class, valid=7, test=7)
    for i in range(len(dataset)):
        folder = root / str(dataset.split[i]) / dataset.label_name(i)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.images[i]).save(folder / f"{i}.png")
    return root
