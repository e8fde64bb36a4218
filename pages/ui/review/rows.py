"""Faces of a data set as tiles and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.shell import cache
from pages.ui.shell.formatting import is_built_in, source_name

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


def face_tile(dataset: FaceDataset, index: int, caption: str) -> Tile:
    """Return the tile of a face, titled with and colored by its label."""
    label = dataset.label_name(index)
    return Tile(
        str(index), dataset.images[index], f"{label}, {dataset.ids[index]}", caption, dataset.classes.color(label)
    )


def sample_faces(source: str, *, key: str, title: str | None = None, each: int = 2) -> bool:
    """Draw some faces of each class of a data set; returns whether one was clicked.

    Raises:
        DataError: the source is unreadable.
    """
    dataset = cache.dataset(source)
    rng = np.random.default_rng(0)
    tiles = [
        Tile(str(i), dataset.images[i], name)
        for label, name in enumerate(dataset.classes)
        for i in rng.permutation(np.flatnonzero(dataset.labels == label))[:each]
    ]
    name = title or (source_name(source) if is_built_in(source) else dataset.name)
    group = Group(tiles, name, dataset.counts_text())
    return gallery([group], key=key, size=64, whole_rows=True).opened is not None
