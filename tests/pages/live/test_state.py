"""What a live view remembers of the camera's connection."""

from __future__ import annotations

from pages.ui.live import state
from pages.ui.live.state import Camera, LiveState


def test_an_attempt_without_a_frame_has_failed_unless_it_was_given_up_at_once(monkeypatch):
    window, now = LiveState(), [100.0]
    monkeypatch.setattr(state.time, "monotonic", lambda: now[0])
    window.note_camera(playing=False, busy=False, frames=0)
    assert window.camera == Camera()
    window.note_camera(playing=False, busy=True, frames=7)
    now[0] += 2
    window.note_camera(playing=True, busy=True, frames=7)
    assert window.camera == Camera(playing=True, since=100, frames=7)
    window.note_camera(playing=False, busy=False, frames=7)
    assert not window.camera.failed
    window.note_camera(playing=False, busy=True, frames=7)
    now[0] += 30
    window.note_camera(playing=False, busy=False, frames=7)
    assert window.camera.failed
    window.note_camera(playing=False, busy=False, frames=7)  # a rerun
    assert window.camera.failed
    window.note_camera(playing=False, busy=True, frames=7)
    assert not window.camera.failed
    now[0] += 30
    window.note_camera(playing=False, busy=False, frames=90)
    assert not window.camera.failed
