"""Session state of a browser window; the only file that accesses ``st.session_state``.

State of one page is a class in ``pages/ui/<page>/state.py``, reached through :func:`state_of`; state shared by all pages
is here. Data, model, sensitivity and recent sources are also saved to ``workspace/app.json``, so that a new browser
window starts with them.
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
from pages.ui.shell.identity import user_workspace

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
_PENDING_ERROR = "fer.pending_error"
_PLOTLY = "fer.plotly"
_SENT_FACE = "fer.sent_face"
_SWITCHING: Final = 15.0  # seconds in which a page switch is retried


def state_key(kind: type) -> str:
    """Session key of the instance of a state class."""
    return f"fer.{kind.__module__}.{kind.__qualname__}"


def state_of(kind: type[_State]) -> _State:
    """Return this browser window's instance of a state class; the first call creates it without arguments.

    The class must be defined in an imported module: Streamlit executes a page's script on each rerun, which would define
    a new class each time.
    """
    state: _State = _get(state_key(kind), kind)
    return state


def widget_value(key: str, default: Any = None) -> Any:
    """Value of the widget with this key; ``default`` if the last run did not draw it."""
    return st.session_state.get(key, default)


def set_widget_value(key: str, value: Any) -> None:
    """Set the value of a widget before this run draws it."""
    st.session_state[key] = value


def preset_widget(key: str, value: Any) -> None:
    """Set the value of a widget that has none yet, before this run draws it."""
    st.session_state.setdefault(key, value)


def workspace() -> Workspace:
    """The workspace of this window's user; pages pass it to everything that reads or writes files.

    Raises:
        NotSignedIn: on a shared server, nobody is signed in who may use it.
    """
    return user_workspace()


def data_source() -> str:
    """The data in use: a path, or ``synthetic``; the latter if the user may no longer read the former."""
    source = str(_get(_DATA, lambda: _remembered().get("data") or BUILT_IN))
    return source if may_use(source) else BUILT_IN


def may_use(source: str) -> bool:
    """Whether the user of this window may read a data source; in local mode always."""
    return is_built_in(source) or workspace().may_read(source)


def use_data(source: str) -> None:
    """Use a data source on all pages and after the next start."""
    st.session_state[_DATA] = source
    remember_source(source)


def recent_sources() -> list[str]:
    """Sources used before, newest first, without the built-in one."""
    recent = _get(_RECENT, lambda: _remembered().get("recent") or [])
    return [str(source) for source in recent if may_use(str(source))]


def remember_source(source: str) -> None:
    """Add a source to the top of the recent ones."""
    if not is_built_in(source):
        kept = [source, *(other for other in recent_sources() if other != source)]
        st.session_state[_RECENT] = kept[:_RECENT_KEPT]
    _save()


def skips_unreadable(source: str) -> bool:
    """Whether unreadable images of this source are skipped."""
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
    """Reading settings chosen for a source on the Data page, such as ``classes`` and ``truth``, if not the default."""
    found = _readings().get(source)
    return dict(found) if isinstance(found, dict) else {}


def choose_reading(source: str, choices: dict[str, str]) -> None:
    """Set how all pages and trainings read the classes and labels of a source."""
    others = {other: chosen for other, chosen in _readings().items() if other != source}
    st.session_state[_READINGS] = {**others, source: choices} if choices else others
    _save()


def _readings() -> dict[str, Any]:
    found = _get(_READINGS, lambda: _remembered().get("readings"))
    return found if isinstance(found, dict) else {}


def chosen_model() -> str | None:
    """The model the user chose; if None, :func:`pages.ui.shell.cache.model_in_use` picks a default."""
    model = _get(_MODEL, lambda: _remembered().get("model"))
    return str(model) if model else None


def use_model(model: str | None) -> None:
    """Use a model (a shipped name or a run id) on all pages, Evaluate included."""
    st.session_state[_MODEL] = model
    study_model(None)
    _save()


def chosen_sensitivity() -> float | None:
    """The sensitivity chosen for all pages, in 0…1; if None, each model uses its own."""
    found = _get(_SENSITIVITY, lambda: _remembered().get("sensitivity"))
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and 0 <= found <= 1 else None


def use_sensitivity(sensitivity: float) -> None:
    """Use a sensitivity on all pages and after the next start."""
    st.session_state[_SENSITIVITY] = sensitivity
    _save()


def studied_model() -> str | None:
    """The model shown on the Evaluate page; None for the model in use."""
    model = st.session_state.get(_STUDIED)
    return str(model) if model else None


def study_model(model: str | None) -> None:
    """Show a model on the Evaluate page without using it elsewhere; None resets to the model in use."""
    st.session_state[_STUDIED] = model


def send_face(crop: Any) -> None:
    """Send a face, uint8 (48, 48), to the Upload page."""
    st.session_state[_SENT_FACE] = crop, time.monotonic()


def face_is_pending() -> bool:
    """Whether a face was sent recently that the Upload page has not rendered completely."""
    return _SENT_FACE in st.session_state and time.monotonic() - st.session_state[_SENT_FACE][1] < _SWITCHING


def sent_face() -> Any | None:
    """The face sent to the Upload page; None if there is none."""
    return st.session_state[_SENT_FACE][0] if _SENT_FACE in st.session_state else None


def sent_face_shown() -> None:
    """Mark the sent face as rendered."""
    st.session_state.pop(_SENT_FACE, None)


def browser_has_plotly() -> bool:
    """Whether this browser window has confirmed that it loaded Plotly's JavaScript."""
    return bool(st.session_state.get(_PLOTLY))


def note_browser_has_plotly() -> None:
    """Record that the browser window loaded Plotly's JavaScript; a reload starts a new session without it."""
    st.session_state[_PLOTLY] = True


def notify(message: str) -> None:
    """Show a message once, after the next rerun."""
    st.session_state[_NOTICE] = message


def pop_notice() -> str | None:
    """Return and clear the message of :func:`notify`."""
    message = st.session_state.pop(_NOTICE, None)
    return str(message) if message else None


def push_error(message: str) -> None:
    """Store the error of a callback until :func:`pop_pending_error` returns it."""
    st.session_state[_PENDING_ERROR] = message


def pop_pending_error() -> str | None:
    """Return and clear the error of :func:`push_error`."""
    message = st.session_state.pop(_PENDING_ERROR, None)
    return str(message) if message else None


def clear() -> None:
    """Forget all state of this browser window."""
    st.session_state.clear()


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
    """Save the shared state; a read-only workspace is no error, since the state is a convenience."""
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
