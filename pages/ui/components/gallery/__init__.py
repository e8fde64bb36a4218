"""A gallery of faces: a click opens one, a tick selects it, all by mouse or keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.images import base64_png
from fer_core.preprocess import FACE_SIZE
from pages.ui.components.files import component
from pages.ui.components.gallery.pager import pager

__all__ = ["Group", "Picked", "Tile", "gallery", "pager"]

_HTML: Final = '<div class="fer-gallery"></div>'


@dataclass(frozen=True)
class Tile:
    """A tile with a face.

    Attributes:
        id: identifier that the gallery returns.
        pixels: uint8 (48, 48).
        title: tooltip and accessible name.
        caption: text below the face.
        color: color of the dot before the caption.
    """

    id: str
    pixels: npt.NDArray[np.uint8]
    title: str
    caption: str = ""
    color: str | None = None


@dataclass(frozen=True)
class Group:
    """Tiles under a heading of title, note and colored dot; no heading without title and note."""

    tiles: Sequence[Tile]
    title: str = ""
    note: str = ""
    color: str | None = None


@dataclass(frozen=True)
class Picked:
    """Interaction with the gallery: id of the face just opened, and ids of the selected faces."""

    opened: str | None
    selected: tuple[str, ...]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "gallery", _HTML)


def gallery(
    groups: Sequence[Group], *, key: str, size: int = 92, selectable: bool = False, whole_rows: bool = False
) -> Picked:
    """Draw the faces; the selection lasts as long as the faces stay the same.

    Args:
        groups: the faces.
        key: key of the gallery; a new key resets the selection.
        size: minimum width of a face in pixels.
        selectable: whether faces can be ticked.
        whole_rows: hide an incomplete last row of a group; for random samples.
    """
    data = {
        "size": size,
        "selectable": selectable,
        "whole_rows": whole_rows,
        "groups": [
            {
                "title": group.title,
                "note": group.note,
                "color": group.color,
                "faces": [
                    {
                        "id": tile.id,
                        "png": _png(tile.pixels.tobytes()),
                        "title": tile.title,
                        "caption": tile.caption,
                        "color": tile.color,
                    }
                    for tile in group.tiles
                ],
            }
            for group in groups
        ],
    }
    result = _component()(
        key=key,
        data=data,
        default={"selected": []},
        on_opened_change=lambda: None,
        on_selected_change=lambda: None,
    )
    known = {tile.id for group in groups for tile in group.tiles}
    selected = result.selected if isinstance(result.selected, list) else []
    return Picked(
        opened=result.opened if result.opened in known else None,
        selected=tuple(face for face in selected if face in known),
    )


@lru_cache(maxsize=2048)
def _png(pixels: bytes) -> str:
    """Encode a 48×48 gray face as base64 PNG; cached, because every rerun draws the same faces."""
    return base64_png(np.frombuffer(pixels, np.uint8).reshape(FACE_SIZE, FACE_SIZE))
