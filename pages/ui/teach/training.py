"""Training on the Teach page: by itself, in the background, whenever the takes or the network change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.data.sources.layouts.takes import MANIFEST
from fer_core.errors import TrainingError
from fer_core.formatting import joined
from fer_core.teach import load_taught
from fer_core.teach.result import RESULT
from pages.ui.shell import cache, session
from pages.ui.shell.background import Report, Stop, Task, automatic
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits import limits

if TYPE_CHECKING:
    from fer_core.teach import TakeStore, Taught

TRAINING: Final = "teach-training"
"""Key of the background work."""
_MODEL_BYTES: Final = 15 * 10**6  # a network as safetensors and as ONNX
_MODEL_FILES: Final = 3


def base_model(store: TakeStore) -> str | None:
    """Return the network whose features are used: the one in use; if that is taught itself, the one it was taught on."""
    from fer_core.inference import default_model

    model, taught = cache.photo_model(), cache.taught_models()
    if model not in taught:
        return model
    before = load_taught(store.name, session.workspace())
    known = [name for name in cache.models() if name not in taught]
    wanted = (before.base if before else None, default_model())
    return next((name for name in wanted if name in known), next(iter(known), None))


def keep_taught(store: TakeStore) -> tuple[Taught | None, bool]:
    """Teach the set of takes if it changed since the last time, and draw the progress.

    Returns:
        The newest result, and whether it belongs to the takes as they are now; during a training it is an earlier one.

    Raises:
        ModelError: the network in use was deleted or is damaged.
    """
    if not store.exists:
        return None, False
    before = load_taught(store.name, session.workspace())
    empty = [name for name in store.classes if not store.takes(name)]
    if len(store.classes) < 2 or empty:
        _wait(store, empty)
        return before, False
    base = base_model(store)
    if base is None:
        st.info("There is no network to build on. Train one first.", icon=":material/model_training:")
        return before, False
    if before is not None and before.base == base and _is_current(before, store):
        return before, True
    workspace = session.workspace()

    def prepare() -> Task:
        limits().require_space(_MODEL_BYTES, _MODEL_FILES, what="the model")
        classifier = cache.classifier(base)

        def task(report: Report, stop: Stop) -> Taught:
            from fer_core.teach import delete_taught, teach

            taught = teach(store, classifier, workspace, progress=report, stop=stop)
            if not store.exists:  # another window deleted everything before the model was written
                delete_taught(store.name, workspace)
                raise TrainingError("The takes were deleted during the training, so no model was kept.")
            return taught

        return task

    found: Taught | None = automatic(
        TRAINING,
        (store.name, _contents(store), base),
        prepare,
        doing="teaching your classes",
        again="Train again",
    )
    return (before, False) if found is None else (found, True)


def _contents(store: TakeStore) -> tuple[object, ...]:
    """What a training depends on: classes, takes and their faces."""
    return store.classes, tuple((take.class_name, take.id, take.faces) for take in store.takes())


def _is_current(taught: Taught, store: TakeStore) -> bool:
    """Whether a model was taught after the last change of the takes."""
    now = [(name, len(takes), sum(t.faces for t in takes)) for name in store.classes for takes in [store.takes(name)]]
    written = store.workspace.taught / store.name / RESULT
    return [
        (count.name, count.takes, count.faces) for count in taught.per_class
    ] == now and written.stat().st_mtime_ns >= (store.path / MANIFEST).stat().st_mtime_ns


def _wait(store: TakeStore, empty: list[str]) -> None:
    if len(store.classes) < 2:
        text = "Two classes or more can be told apart. Add a class."
    else:
        names = joined([f"**{plain(name)}**" for name in empty])
        text = f"Training starts by itself as soon as {names} {'has' if len(empty) == 1 else 'have'} a take."
    st.info(text, icon=":material/hourglass_empty:")
