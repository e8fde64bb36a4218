"""The emotion vocabulary: order, names, colours and aliases. Nothing else may define a label order.

Three orders are in the wild (the ids of ``fer2013.csv``, alphabetical folders, the columns of FER+),
so everything is mapped by *name*; the order below, that of ``fer2013.csv``, is the only one inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fer_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Emotion:
    """One class: its position in every probability vector, its name, colour and other names."""

    index: int
    name: str
    colour: str
    """Hex colour from the colour-blind-safe Okabe–Ito set, the same in every chart and box."""
    aliases: tuple[str, ...]
    action_units: str
    """What the face does, in plain words with FACS action units (Ekman & Friesen 1978)."""


EMOTIONS: Final[tuple[Emotion, ...]] = (
    Emotion(
        0,
        "angry",
        "#D55E00",
        ("anger", "an", "ang"),
        "brows lowered (AU4), lids tight (AU7), lips pressed (AU23/24)",
    ),
    Emotion(1, "disgust", "#009E73", ("disgusted", "di", "dis"), "nose wrinkled (AU9), upper lip raised (AU10)"),
    Emotion(
        2,
        "fear",
        "#CC79A7",
        ("fearful", "afraid", "scared", "fe", "fea"),
        "brows raised and drawn together (AU1+2+4), eyes wide (AU5), mouth stretched (AU20)",
    ),
    Emotion(
        3,
        "happy",
        "#E69F00",
        ("happiness", "joy", "smile", "ha", "hap"),
        "cheeks raised (AU6), lip corners pulled up (AU12)",
    ),
    Emotion(4, "sad", "#0072B2", ("sadness", "sa"), "inner brows raised (AU1+4), lip corners down (AU15)"),
    Emotion(
        5,
        "surprise",
        "#56B4E9",
        ("surprised", "su", "sur"),
        "brows raised (AU1+2), eyes wide (AU5), jaw dropped (AU26)",
    ),
    Emotion(6, "neutral", "#8A8A8A", ("neutrality", "normal", "ne", "neu"), "no action unit at work"),
)

LABELS: Final[tuple[str, ...]] = tuple(e.name for e in EMOTIONS)
"""The seven names in the one order used everywhere."""

COLOURS: Final[dict[str, str]] = {e.name: e.colour for e in EMOTIONS}

FERPLUS_COLUMNS: Final[tuple[str, ...]] = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""The ten vote columns of FER+ (``fer2013new.csv``) in the file's own order."""

_INDEX: Final[dict[str, int]] = {name: e.index for e in EMOTIONS for name in (e.name, *e.aliases)}


def find_label(name: str) -> int | None:
    """Index of the emotion called ``name`` (any case, any alias), or None if there is no such emotion."""
    return _INDEX.get(name.strip().lower())


def label_index(name: str) -> int:
    """Index of the emotion called ``name``.

    Raises:
        DataError: no emotion has this name; the message lists those that exist.
    """
    index = find_label(name)
    if index is None:
        raise DataError(f"'{name}' is not an emotion this program knows. Known names: {', '.join(LABELS)}.")
    return index
