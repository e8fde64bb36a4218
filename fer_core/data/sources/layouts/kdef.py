"""KDEF: session, person, emotion and angle in the file name, ``AF01ANS.JPG`` (Lundqvist et al. 1998)."""

from __future__ import annotations

import re
from typing import Final

from fer_core.data.sources.layouts.file_names import label_by_file_name
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source

_EMOTIONS: Final = {
    "AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise",
}  # fmt: skip
_NAME: Final = re.compile(
    rf"[AB](?P<person>[FM]\d{{2}})(?P<code>{'|'.join(_EMOTIONS)})(?:FL|FR|HL|HR|S)\.\w+", re.IGNORECASE
)


def _find(source: Source) -> LabeledImages | None:
    return label_by_file_name(source, _NAME, _EMOTIONS, "KDEF")


LAYOUT: Final = Layout("KDEF", _find, by_names=True)
