"""Faces marked on a picture: a photograph, a live frame and a frame of a video convert to :class:`Mark`."""

from fer_core.annotate.draw import draw_marks
from fer_core.annotate.mark import Mark
from fer_core.annotate.photo import draw_photo

__all__ = ["Mark", "draw_marks", "draw_photo"]
