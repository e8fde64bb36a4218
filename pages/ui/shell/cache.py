"""What is slow to load, loaded once for all browser windows: data sets, classifiers, names of networks."""

from __future__ import annotations

import importlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from fer_core.classes import ClassList
from fer_core.errors import ConfigError, FerError
from fer_core.training.runs import list_runs
from pages.ui.shell import session
from pages.ui.shell.formatting import distinct, plain, source_name

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.data.reading import Reading
    from fer_core.inference import Classifier

_SHELF_SIZE = 4  # data sets, with their own classes or mapped ones; FER2013 takes 90 MB
Identity = tuple[str, int, int, str]
_PROGRESS_EVERY = 0.1  # seconds


class _Shelf:
    """The data sets in memory, shared by all sessions; the one used longest ago goes first."""

    def __init__(self) -> None:
        self._datasets: OrderedDict[Identity, FaceDataset] = OrderedDict()
        self._lock = threading.Lock()
        self.loading = threading.Lock()  # one load at a time: two would only slow each other down

    def get(self, key: Identity) -> FaceDataset | None:
        with self._lock:
            if key in self._datasets:
                self._datasets.move_to_end(key)
            return self._datasets.get(key)

    def put(self, key: Identity, dataset: FaceDataset) -> None:
        with self._lock:
            self._datasets[key] = dataset
            while len(self._datasets) > _SHELF_SIZE:
                self._datasets.popitem(last=False)

    def forget(self, source: str) -> None:
        with self._lock:
            for key in [key for key in self._datasets if key[0] == source]:
                del self._datasets[key]


@st.cache_resource(show_spinner=False)
def _shelf() -> _Shelf:
    return _Shelf()


def reading(source: str) -> Reading:
    """How the faces of a source are read, as chosen on the Data page; without the class map.

    A choice that this version does not know is passed over.
    """
    from fer_core.data.reading import Reading

    skip = session.skips_unreadable(source)
    with suppress(ConfigError):
        return Reading.of({**session.reading_choices(source), "skip_unreadable": skip})
    return Reading.of({"skip_unreadable": skip})


def reading_in_use(source: str) -> Reading:
    """:func:`reading` with the class map in force: what a process of its own needs to read the same faces.

    Raises:
        DataError: the source cannot be read, or its class map is damaged.
    """
    class_map = dataset(source).class_map
    return reading(source).model_copy(update={"class_map": class_map}) if class_map else reading(source)


def _identity(source: str) -> Identity:
    """The source with size and time of change, so that another file under the same name is loaded anew."""
    how = reading(source).model_dump_json()
    try:
        found = Path(source).expanduser().stat()
    except (OSError, ValueError, RuntimeError):
        return source, 0, 0, how
    return source, found.st_mtime_ns, found.st_size, how


def loaded_dataset(source: str) -> FaceDataset | None:
    """The data set with its class map if it is in memory already; never loads."""
    found = _shelf().get(_identity(source))
    try:
        return found if found is None else _mapped(source, found)
    except FerError:
        return None


def dataset(source: str) -> FaceDataset:
    """The data set of a source with the classes arranged on the Data page, with a progress bar while it loads.

    Raises:
        DataError: the source cannot be read, or its class map is damaged; nothing is kept.
    """
    return _mapped(source, source_dataset(source))


def _mapped(source: str, found: FaceDataset) -> FaceDataset:
    from fer_core.data.class_map import SavedClassMap

    class_map = SavedClassMap.of(found, session.workspace()).current()
    if not class_map:
        return found
    path, changed, size, how_read = _identity(source)
    key = path, changed, size, f"{how_read} {[one.model_dump_json() for one in class_map]}"
    mapped = _shelf().get(key)
    if mapped is None:
        how = reading(source).model_copy(update={"class_map": class_map})
        mapped = how.load(source, workspace=session.workspace(), on_progress=lambda done, total: None)
        _shelf().put(key, mapped)
    return mapped


def source_dataset(source: str) -> FaceDataset:
    """The data set of a source with its own classes, with a progress bar on the page while it loads.

    Faces that cannot be read are left out where somebody asked for that on the Data page.

    Raises:
        DataError: the source cannot be read; nothing is kept.
    """
    identity = _identity(source)
    shelf = _shelf()
    found = shelf.get(identity)
    if found is not None:
        return found
    place = st.empty()
    name = plain(source_name(source))
    try:
        while not shelf.loading.acquire(timeout=0.2):
            place.progress(0.0, text="Waiting: another window is loading data…")
        try:
            found = shelf.get(identity)
            if found is None:
                progress = _reporter(place.progress, name)
                found = reading(source).load(source, workspace=session.workspace(), on_progress=progress)
                shelf.put(identity, found)
        finally:
            shelf.loading.release()
    finally:
        place.empty()
    return found


def forget_dataset(source: str) -> None:
    """Read a source from disk again the next time, e.g. after images in a folder were changed."""
    _shelf().forget(source)


def _reporter(show: Callable[..., object], name: str) -> Callable[[int, int], None]:
    """Progress on the page, at most ten times a second. When the user has moved on, ``show`` ends the loading."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY:
            last = now
            show(min(1.0, done / max(1, total)), text=f"Loading {name}: {done:,} of {total:,} faces")

    show(0.0, text=f"Loading {name}…")
    return report


def models() -> dict[str, str]:
    """Models that can be used now: name or run id -> display name. Shipped models first, then runs, newest first."""
    from fer_core.inference import shipped_models

    trained: dict[str, str] = {}
    for run in list_runs(session.workspace()):
        if (run.path / "best.safetensors").is_file():
            trained[run.id] = run.label.name
        if (run.path / "best-labels.safetensors").is_file():  # a network with two outputs; the other is for votes
            trained[f"{run.id}:labels"] = f"{run.label.name} (labels)"
    shipped = sorted(shipped_models(), key=lambda name: (name != "compact", name))
    taken = set(trained.values())
    return distinct({**{name: f"{name} (shipped)" if name in taken else name for name in shipped}, **trained})


def model_in_use() -> str | None:
    """The chosen model where it still exists, else the first at hand: ``compact`` if it is shipped; None if none is."""
    available = models()
    chosen = session.chosen_model()
    return chosen if chosen in available else next(iter(available), None)


def photo_model() -> str | None:
    """The model for people's own pictures: the chosen one where it still exists, else the one that the commands take
    for photographs, which was trained on what people say; None if there is none."""
    from fer_core.inference import default_model

    available = models()
    if session.chosen_model() in available or default_model() not in available:
        return model_in_use()
    return default_model()


def classifier(model: str, sensitivity: float | None = None) -> Classifier:
    """The classifier of a shipped model, a run or a file; shared between sessions, reloaded when the file changes.

    Args:
        model: its name, run id or path.
        sensitivity: in 0…1; the model's own when None. The same one for the same value at each call.

    Raises:
        ModelError: there is no such model, or the file is damaged.
        ConfigError: the model's sensitivity cannot be changed.
    """
    from fer_core.inference import resolve_model

    path = resolve_model(model, session.workspace())
    changed = path.stat().st_mtime_ns
    if sensitivity is None:
        return _classifier(str(path), changed)
    return _classifier_at(str(path), changed, sensitivity)


@st.cache_resource(max_entries=100, show_spinner=False)
def _classifier_at(path: str, changed: int, sensitivity: float) -> Classifier:
    return _classifier(path, changed).with_sensitivity(sensitivity)


@st.cache_resource(max_entries=4, show_spinner="Loading the network…")
def _classifier(path: str, changed: int) -> Classifier:
    from fer_core.inference import Classifier
    from fer_core.inference.background import export_behind

    found = Classifier.load(path, workspace=session.workspace(), threads=1)
    export_behind(found, session.workspace())
    return found


@st.cache_resource(max_entries=4, show_spinner="Building the network…")
def untrained(architecture: str) -> Classifier:
    """An architecture with random weights, the same at each call: to see what training changes."""
    import torch

    from fer_core.inference import CheckpointInfo, Classifier
    from fer_core.models import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(architecture)
    return Classifier(model, CheckpointInfo(architecture=architecture, labels=ClassList.fer2013().names))


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Begin to import what takes long in the background, once for the process: the first page that needs it has it sooner."""
    threading.Thread(target=_import_slow_libraries, name="import libraries", daemon=True).start()


def _import_slow_libraries() -> None:
    """Runs in the background thread; an error comes up again, with its message, where the library is needed."""
    from fer_core.inference.engines import load_onnxruntime

    with suppress(Exception):
        importlib.import_module("cv2")  # faces in photographs and on the webcam
        load_onnxruntime()  # answers for networks that have an ONNX file
        importlib.import_module("scipy.stats")  # intervals of every evaluation
        importlib.import_module("fer_core.models")  # brings PyTorch, for training, gradients and layers


@st.cache_resource(show_spinner="Loading PyTorch…")
def architectures() -> dict[str, str]:
    """Known networks: name -> one sentence. The first call loads torch."""
    from fer_core.models import architectures as known

    return known()
