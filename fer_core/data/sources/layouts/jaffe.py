"""JAFFE: person and emotion in the file name, ``KA.AN1.39.tiff`` (Lyons et al. 1998)."""

from __future__ import annotations

import re
from typing import Final

from fer_core.data.sources.layouts.file_names import label_by_file_name
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source

_EMOTIONS: Final = {
    "AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise",
}  # fmt: skip
_NAME: Final = re.compile(rf"(?P<person>[A-Z]{{2}})\.(?P<code>{'|'.join(_EMOTIONS)})\d\.\d+\.\w+", re.IGNORECASE)


def _find(source: Source) -> LabeledImages | None:
    return label_by_file_name(source, _NAME, _EMOTIONS, "JAFFE")


LAYOUT: Final = Layout("JAFFE", _find, by_names=True)
