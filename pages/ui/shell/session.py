"""What the app remembers for a browser window; the only file that touches ``st.session_state``.

What one page folder remembers stands in a class of its own there (``pages/ui/<page>/state.py``), reached through
:func:`state_of`; what all pages share stands here. The data and the model in use, its sensitivity and the recent sources are also kept
in ``workspace/app.json``, so that a new browser window begins where the last one was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import streamlit as st

from fer_core.errors import FerError
from fer_core.workspace import Workspace, write_json
from pages.ui.shell.formatting import is_built_in

BUILT_IN: Final = "synthetic"
_RECENT_KEPT = 8
_State = TypeVar("_State")

_DATA = "fer.data"
_MODEL = "fer.model"
_SENSITIVITY = "fer.sensitivity"
_STUDIED = "fer.studied_model"
_RECENT = "fer.recent"
_SKIP = "fer.skip_unreadable"
_READINGS = "fer.readings"
_NOTICE = "fer.notice"
_COMPLAINT = "fer.complaint"
_PLOTLY = "fer.plotly"
_SENT_FACE = "fer.sent_face"
_SWITCHING: Final = 15.0  # seconds in which the way from one page to another is tried again


def state_key(kind: type) -> str:
    """The key under which the session keeps the state of a class."""
    return f"fer.{kind.__module__}.{kind.__qualname__}"


def state_of(kind: type[_State]) -> _State:
    """This browser window's instance of a state class, made without arguments when it is first asked for.

    The class must stand in an imported module, not in a page's script: Streamlit runs a script anew for each rerun, and
    a class defined there is another one each time.
    """
    state: _State = _get(state_key(kind), kind)
    return state


def widget_value(key: str, default: Any = None) -> Any:
    """What the widget with this key holds; ``default`` before it was drawn, and after it was left out of a run."""
    return st.session_state.get(key, default)


def set_widget_value(key: str, value: Any) -> None:
    """Give a widget its value, before it is drawn in this run."""
    st.session_state[key] = value


def preset_widget(key: str, value: Any) -> None:
    """Give a widget its value where it has none yet, before it is drawn in this run."""
    st.session_state.setdefault(key, value)


def workspace() -> Workspace:
    """The workspace of this app; the pages hand it to whatever reads or writes it."""
    return Workspace.default()


def data_source() -> str:
    """The data in use: a path, or ``synthetic``."""
    return str(_get(_DATA, lambda: _remembered().get("data") or BUILT_IN))


def use_data(source: str) -> None:
    """Make a source the data in use, for all pages and the next start."""
    st.session_state[_DATA] = source
    remember_source(source)


def recent_sources() -> list[str]:
    """Sources used before, newest first; the built-in one is not among them."""
    recent = _get(_RECENT, lambda: _remembered().get("recent") or [])
    return [str(source) for source in recent]


def remember_source(source: str) -> None:
    """Put a source on top of the recent ones."""
    if not is_built_in(source):
        kept = [source, *(other for other in recent_sources() if other != source)]
        st.session_state[_RECENT] = kept[:_RECENT_KEPT]
    _save()


def skips_unreadable(source: str) -> bool:
    """Whether somebody asked to leave out the faces of this source that cannot be read."""
    return source in _get(_SKIP, _sources_to_skip_in)


def _sources_to_skip_in() -> list[str]:
    """The remembered sources whose unreadable images are skipped; older versions wrote ``skip_broken``."""
    remembered = _remembered()
    return list(remembered.get("skip_unreadable") or remembered.get("skip_broken") or [])


def skip_unreadable(source: str, skip: bool) -> None:
    """Leave out the faces of a source that cannot be read, on all pages and in training, or refuse it again."""
    kept = [other for other in _get(_SKIP, _sources_to_skip_in) if other != source]
    st.session_state[_SKIP] = [*kept, source] if skip else kept
    _save()


def reading_choices(source: str) -> dict[str, str]:
    """What somebody chose for a source on the Data page: ``classes`` and ``truth``, where they are not the default."""
    found = _readings().get(source)
    return dict(found) if isinstance(found, dict) else {}


def choose_reading(source: str, choices: dict[str, str]) -> None:
    """Read the classes and labels of a source in this way, on all pages and in training."""
    others = {other: chosen for other, chosen in _readings().items() if other != source}
    st.session_state[_READINGS] = {**others, source: choices} if choices else others
    _save()


def _readings() -> dict[str, Any]:
    found = _get(_READINGS, lambda: _remembered().get("readings"))
    return found if isinstance(found, dict) else {}


def chosen_model() -> str | None:
    """The model somebody chose, or None: then :func:`pages.ui.shell.cache.model_in_use` takes the best at hand."""
    model = _get(_MODEL, lambda: _remembered().get("model"))
    return str(model) if model else None


def use_model(model: str | None) -> None:
    """Make a model (a shipped name or a run id) the one in use; the Evaluate page turns to it as well."""
    st.session_state[_MODEL] = model
    study_model(None)
    _save()


def chosen_sensitivity() -> float | None:
    """The sensitivity somebody chose for all pages, in 0…1, or None: then each model has its own."""
    found = _get(_SENSITIVITY, lambda: _remembered().get("sensitivity"))
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and 0 <= found <= 1 else None


def use_sensitivity(sensitivity: float) -> None:
    """Read faces at this sensitivity, on all pages and after the next start."""
    st.session_state[_SENSITIVITY] = sensitivity
    _save()


def studied_model() -> str | None:
    """The model the Evaluate page was opened on or turned to, or None: then it shows the model in use."""
    model = st.session_state.get(_STUDIED)
    return str(model) if model else None


def study_model(model: str | None) -> None:
    """Show a model on the Evaluate page without making it the one in use; None goes back to that one."""
    st.session_state[_STUDIED] = model


def send_face(crop: Any) -> None:
    """Hand a face, uint8 (48, 48), to the Upload page."""
    st.session_state[_SENT_FACE] = crop, time.monotonic()


def face_is_waiting() -> bool:
    """Whether a face was handed over a moment ago that the Upload page has not shown whole yet."""
    return _SENT_FACE in st.session_state and time.monotonic() - st.session_state[_SENT_FACE][1] < _SWITCHING


def sent_face() -> Any | None:
    """The face handed to the Upload page; None if there is none."""
    return st.session_state[_SENT_FACE][0] if _SENT_FACE in st.session_state else None


def sent_face_shown() -> None:
    """The Upload page has shown the face to its end: nothing waits any more."""
    st.session_state.pop(_SENT_FACE, None)


def browser_has_plotly() -> bool:
    """Whether this browser window has said that plotly's JavaScript has arrived."""
    return bool(st.session_state.get(_PLOTLY))


def note_browser_has_plotly() -> None:
    """The browser window has plotly's JavaScript; a reload of the page begins a new session, without it."""
    st.session_state[_PLOTLY] = True


def notify(message: str) -> None:
    """Say something once, after the next rerun."""
    st.session_state[_NOTICE] = message


def take_notice() -> str | None:
    """The message to say now, if there is one."""
    message = st.session_state.pop(_NOTICE, None)
    return str(message) if message else None


def push_error(message: str) -> None:
    """Keep an error that happened in a callback, to be shown where :func:`pop_pending_error` is asked next."""
    st.session_state[_COMPLAINT] = message


def pop_pending_error() -> str | None:
    """The error to show now, if there is one."""
    message = st.session_state.pop(_COMPLAINT, None)
    return str(message) if message else None


def _get(key: str, default: Callable[[], Any]) -> Any:
    if key not in st.session_state:
        st.session_state[key] = default()
    return st.session_state[key]


def _remembered() -> dict[str, Any]:
    try:
        found = json.loads((workspace().app_state).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _save() -> None:
    """What is remembered is a convenience: a read-only workspace must not keep anybody from working."""
    record = {
        "data": data_source(),
        "model": chosen_model(),
        "sensitivity": chosen_sensitivity(),
        "recent": recent_sources(),
        "skip_unreadable": _get(_SKIP, _sources_to_skip_in),
        "readings": _readings(),
    }
    if record != _remembered():
        with suppress(FerError):
            write_json(workspace().app_state, record)
