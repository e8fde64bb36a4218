"""AffectNet: folders 0…7 (Mollahosseini et al. 2017)."""

from __future__ import annotations

import re
from typing import Final

from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source
from fer_core.data.sources.layouts.numbered import emotions_by_number, folder_numbers, label_by_numbered_folder

_NAME: Final = re.compile("affect.?net", re.IGNORECASE)
_SPLIT_FOLDERS: Final = frozenset(("train_set", "val_set"))


def _find(source: Source) -> LabeledImages | None:
    numbers = folder_numbers(source)
    if (
        source.how not in ("auto", "emotions")
        or len(numbers) < 2
        or not numbers <= set(emotions_by_number("affectnet"))
    ):
        return None
    folders = {part.lower() for name in source.images for part in name.split("/")[:-1]}
    # FER2013 and FER+ number emotions differently, so the numbers alone do not tell which data set it is.
    if not (folders & _SPLIT_FOLDERS or any(map(_NAME.search, (source.where, *folders)))):
        return None
    return label_by_numbered_folder(source, "affectnet", "AffectNet")


LAYOUT: Final = Layout("AffectNet", _find)
