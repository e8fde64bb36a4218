"""Process-wide caches of what is slow to load: data sets, classifiers and architectures."""

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
from pages.ui.shell.identity import operator_workspace, provided

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.data.reading import Reading
    from fer_core.inference import Classifier
    from fer_core.workspace import Workspace

_SHELF_SIZE = 4  # data sets, original or class-mapped; FER2013 takes 90 MB
Identity = tuple[str, int, int, str]
_PROGRESS_EVERY = 0.1  # seconds


class _DatasetCache:
    """An LRU cache of data sets, shared by all sessions."""

    def __init__(self) -> None:
        self._datasets: OrderedDict[Identity, FaceDataset] = OrderedDict()
        self._lock = threading.Lock()
        self.loading = threading.Lock()  # concurrent loads would only slow each other down

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

    def evict(self, source: str) -> None:
        with self._lock:
            for key in [key for key in self._datasets if key[0] == source]:
                del self._datasets[key]


@st.cache_resource(show_spinner=False)
def _datasets() -> _DatasetCache:
    return _DatasetCache()


def reading(source: str) -> Reading:
    """Reading settings of a source as chosen on the Data page, without its class map.

    Settings that this version does not know are ignored.
    """
    from fer_core.data.reading import Reading

    skip = session.skips_unreadable(source)
    with suppress(ConfigError):
        return Reading.of({**session.reading_choices(source), "skip_unreadable": skip})
    return Reading.of({"skip_unreadable": skip})


def reading_in_use(source: str) -> Reading:
    """:func:`reading` with the class map in force: what a process of its own needs to read the same faces.

    Raises:
        DataError: the source is unreadable, or its class map is damaged.
    """
    class_map = dataset(source).class_map
    return reading(source).model_copy(update={"class_map": class_map}) if class_map else reading(source)


def _identity(source: str) -> Identity:
    """Cache key of a source: path, size, modification time and reading settings.

    Raises:
        DataError: the user of this window may not read the source. It may be in memory for somebody else.
    """
    if not session.may_use(source):
        from fer_core.data.source import refuse_unreadable

        refuse_unreadable(source, session.workspace())
    how = reading(source).model_dump_json()
    try:
        found = Path(source).expanduser().stat()
    except (OSError, ValueError, RuntimeError):
        return source, 0, 0, how
    return source, found.st_mtime_ns, found.st_size, how


def _store_of(source: str) -> Workspace:
    """The workspace that caches a source: the operator's for data that everybody shares, so that it is read once."""
    return operator_workspace() if source in provided().values() else session.workspace()


def loaded_dataset(source: str) -> FaceDataset | None:
    """Return the data set with its class map if it is in memory; never loads it."""
    try:
        found = _datasets().get(_identity(source))
        return found if found is None else _mapped(source, found)
    except FerError:
        return None


def dataset(source: str) -> FaceDataset:
    """Return the data set of a source with the class map of the Data page, and show a progress bar while it loads.

    Raises:
        DataError: the source is unreadable, or its class map is damaged.
    """
    return _mapped(source, source_dataset(source))


def _mapped(source: str, found: FaceDataset) -> FaceDataset:
    from fer_core.data.class_map import SavedClassMap

    class_map = SavedClassMap.of(found, session.workspace()).current()
    if not class_map:
        return found
    path, changed, size, how_read = _identity(source)
    key = path, changed, size, f"{how_read} {[one.model_dump_json() for one in class_map]}"
    mapped = _datasets().get(key)
    if mapped is None:
        how = reading(source).model_copy(update={"class_map": class_map})
        mapped = how.load(source, workspace=_store_of(source), on_progress=lambda done, total: None)
        _datasets().put(key, mapped)
    return mapped


def source_dataset(source: str) -> FaceDataset:
    """Return the data set of a source with its original classes, and show a progress bar while it loads.

    Faces that cannot be read are left out where somebody asked for that on the Data page.

    Raises:
        DataError: the source is unreadable.
    """
    identity = _identity(source)
    shelf = _datasets()
    found = shelf.get(identity)
    if found is not None:
        return found
    place = st.empty()
    name = plain(source_name(source))
    try:
        while not shelf.loading.acquire(timeout=0.2):
            place.progress(0.0, text="Waiting for another window to load data…")
        try:
            found = shelf.get(identity)
            if found is None:
                progress = _reporter(place.progress, name)
                found = reading(source).load(source, workspace=_store_of(source), on_progress=progress)
                shelf.put(identity, found)
        finally:
            shelf.loading.release()
    finally:
        place.empty()
    return found


def evict_dataset(source: str) -> None:
    """Drop a source from memory, so that the next use reads it from disk."""
    _datasets().evict(source)


def _reporter(show: Callable[..., object], name: str) -> Callable[[int, int], None]:
    """Return a callback that shows progress at most ten times a second; ``show`` stops the load after a page change."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY:
            last = now
            show(min(1.0, done / max(1, total)), text=f"Loading {name}: {done:,} of {total:,} faces")

    show(0.0, text=f"Loading {name}…")
    return report


def taught_models() -> tuple[str, ...]:
    """Names of the models with own classes, the newest first."""
    from fer_core.teach import list_taught

    return tuple(found.name for found in list_taught(session.workspace()))


def models() -> dict[str, str]:
    """Models that can be used now: name or run id -> display name. Shipped models first, then own classes, then runs,
    newest first."""
    from fer_core.inference import shipped_models

    trained: dict[str, str] = {}
    for run in list_runs(session.workspace()):
        if (run.path / "best.safetensors").is_file():
            trained[run.id] = run.label.name
        if (run.path / "best-labels.safetensors").is_file():  # a network with two outputs; the other is for votes
            trained[f"{run.id}:labels"] = f"{run.label.name} (labels)"
    shipped = sorted(shipped_models(), key=lambda name: (name != "compact", name))
    taken = set(trained.values())
    taught = {name: f"{name} (taught)" if name in taken else name for name in taught_models() if name not in trained}
    return distinct({**{name: f"{name} (shipped)" if name in taken else name for name in shipped}, **taught, **trained})


def model_in_use() -> str | None:
    """The chosen model if it still exists, else the first available one (``compact`` if shipped); None without models."""
    available = models()
    chosen = session.chosen_model()
    return chosen if chosen in available else next(iter(available), None)


def photo_model() -> str | None:
    """The model for photos and the webcam: the chosen one if it still exists, else the default of the command line, which
    was trained on people's votes; None without models."""
    from fer_core.inference import default_model

    available = models()
    if session.chosen_model() in available or default_model() not in available:
        return model_in_use()
    return default_model()


def classifier(model: str, sensitivity: float | None = None) -> Classifier:
    """Return the classifier of a shipped model, a run or a file; shared by sessions, reloaded if the file changes.

    Args:
        model: name, run id or path.
        sensitivity: in 0…1; the model's own if None.

    Raises:
        ModelError: the model does not exist, or its file is damaged.
        ConfigError: the model has no adjustable sensitivity.
    """
    from fer_core.inference import resolve_model

    path = resolve_model(model, session.workspace())
    changed = path.stat().st_mtime_ns
    # A shipped model is loaded once for everybody; its ONNX file must not lie with one user, who may delete it.
    own = path.is_relative_to(session.workspace().root)
    home = session.workspace() if own else operator_workspace()
    if sensitivity is None:
        return _classifier(str(path), changed, home)
    return _classifier_at(str(path), changed, home, sensitivity)


@st.cache_resource(max_entries=100, show_spinner=False)
def _classifier_at(path: str, changed: int, _home: Workspace, sensitivity: float) -> Classifier:
    return _classifier(path, changed, _home).with_sensitivity(sensitivity)


@st.cache_resource(max_entries=4, show_spinner="Loading the network…")
def _classifier(path: str, changed: int, _home: Workspace) -> Classifier:
    from fer_core.inference import Classifier
    from fer_core.inference.background import export_behind

    found = Classifier.load(path, workspace=_home, threads=1)
    export_behind(found, _home)
    return found


@st.cache_resource(max_entries=4, show_spinner="Building the network…")
def untrained(architecture: str) -> Classifier:
    """Return an architecture with random weights from a fixed seed, to compare with a trained one."""
    import torch

    from fer_core.inference import CheckpointInfo, Classifier
    from fer_core.models import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(architecture)
    return Classifier(model, CheckpointInfo(architecture=architecture, labels=ClassList.fer2013().names))


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Import slow libraries in the background, once per process."""
    threading.Thread(target=_import_slow_libraries, name="import libraries", daemon=True).start()


def _import_slow_libraries() -> None:
    """Import slow libraries; errors are ignored here and surface again at the first use."""
    from fer_core.inference.engines import load_onnxruntime

    with suppress(Exception):
        importlib.import_module("cv2")  # faces in photographs and on the webcam
        load_onnxruntime()  # answers for networks that have an ONNX file
        importlib.import_module("scipy.stats")  # intervals of every evaluation
        importlib.import_module("fer_core.models")  # brings PyTorch, for training, gradients and layers


@st.cache_resource(show_spinner="Loading PyTorch…")
def architectures() -> dict[str, str]:
    """Known architectures: name -> one-sentence description. The first call imports torch."""
    from fer_core.models import architectures as known

    return known()
