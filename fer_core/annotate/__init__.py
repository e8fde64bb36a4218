"""Draws predictions on images: faces of photos, live frames and video frames are converted to :class:`Mark` first."""

from fer_core.annotate.draw import draw_marks
from fer_core.annotate.mark import Mark
from fer_core.annotate.photo import draw_photo

__all__ = ["Mark", "draw_marks", "draw_photo"]
