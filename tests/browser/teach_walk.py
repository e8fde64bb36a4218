"""From an empty workspace to three own classes live: the walk that a test takes and a benchmark times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.browser.camera import taught_frames
from tests.browser.conftest import settled

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

CLASSES: Final = {"smile": "happy", "surprise": "surprise", "neutral": "neutral"}
"""The classes that the page offers, and what the drawn person shows for them."""
TAKES: Final = 3
UNSEEN: Final = 3
"""Number of the take that is never recorded."""
READY: Final = "One sharp face. Ready to record."


def start_camera(page: Page) -> Frame:
    """Press START; gives the frame that the video is in."""
    handle = page.locator("iframe[title*=webrtc]")
    handle.wait_for()
    frame = handle.element_handle().content_frame()
    assert frame is not None
    button = frame.get_by_role("button", name="START")
    button.wait_for()
    show(frame, "happy", 0)
    button.click()
    page.get_by_text(READY).wait_for()
    return frame


def show(frame: Frame, emotion: str, take: int, faces: int = 1) -> None:
    """Wind the camera's clip to a take."""
    frame.evaluate("(jpegs) => window.ferPlay(jpegs)", taught_frames(emotion, take, faces))


def record(page: Page, frame: Frame, name: str, take: int) -> None:
    """Record one take of a class and wait until it is kept."""
    show(frame, CLASSES[name], take)
    page.get_by_text(READY).wait_for()
    page.get_by_role("button", name=f"Record {name}").click()
    running = page.get_by_text(re.compile(rf"^(Get ready: {name} in|Keep showing {name}:) \d s"))
    running.wait_for()
    running.wait_for(state="hidden")


def follow(page: Page, frame: Frame, name: str) -> None:
    """Show a class as no take has it, and wait until the live view names it."""
    show(frame, CLASSES[name], UNSEEN)
    page.get_by_role("heading", name=re.compile(rf"^Face \d+: {name}, \d+%")).wait_for()


def walk(page: Page, address: str) -> Frame:
    """Open the page, record three takes of each class, and wait until the live view has followed the clip through them."""
    page.goto(address)
    page.get_by_role("heading", level=1, name="Teach").wait_for()
    settled(page)
    frame = start_camera(page)
    for take in range(TAKES):
        for name in CLASSES:
            record(page, frame, name, take)
    for name in CLASSES:
        follow(page, frame, name)
    return frame
