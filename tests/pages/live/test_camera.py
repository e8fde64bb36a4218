"""What the Webcam page asks of the camera."""

from __future__ import annotations

from pages.ui.live.camera import CAMERA_CONSTRAINTS


def test_nothing_the_page_asks_for_sets_the_shape_of_the_video():
    """A 1920×1080 camera was cut to 640×480, and one of 480×640 to 480×480."""
    video = CAMERA_CONSTRAINTS["video"]
    assert isinstance(video, dict)
    assert not {"height", "aspectRatio"} & set(video)
    assert all(set(wish) == {"ideal"} for wish in video.values())  # a wish, never a demand
    assert CAMERA_CONSTRAINTS["audio"] is False
