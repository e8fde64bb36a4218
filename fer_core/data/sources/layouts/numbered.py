"""Folders named by label numbers, and the emotions that known data sets mean by these numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fer_core.classes import ClassList
from fer_core.data.dataset import find_split
from fer_core.data.sources.layouts.labeled import LabeledImages, Source, label_by_emotion

NUMBERINGS: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "affectnet": (0, ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")),
    "raf-db": (1, ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")),
    "fer2013": (0, ClassList.ferplus().names),
    "ferplus": (0, ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")),
}
"""First number and emotions in order: AffectNet (Mollahosseini et al. 2017), RAF-DB (Li et al. 2017), FER2013 with
contempt as 7, and the columns of FER+ (Barsoum et al. 2016)."""


def number_of(name: str) -> str | None:
    """Return the innermost folder of an image that is not a split, if it is a single digit."""
    folder = next((part for part in reversed(name.split("/")[:-1]) if find_split(part) is None), "")
    return folder if folder.isascii() and folder.isdecimal() and len(folder) == 1 else None


def folder_numbers(source: Source) -> set[str]:
    """Return the numbers that the folders of all images are named by; empty if any image is in another folder."""
    numbers = [number_of(name) for name in source.images]
    return set() if None in numbers else {number for number in numbers if number is not None}


def emotions_by_number(numbering: str) -> dict[str, str]:
    """Return the emotion of each number as text, e.g. ``{"1": "surprise", …}``."""
    first, emotions = NUMBERINGS[numbering]
    return {str(first + i): emotion for i, emotion in enumerate(emotions)}


def describe_numbering(numbering: str) -> str:
    """Return the meaning of the numbers as text: ``0 neutral, 1 happy, …``."""
    return ", ".join(f"{number} {emotion}" for number, emotion in emotions_by_number(numbering).items())


def label_by_numbered_folder(source: Source, numbering: str, name: str) -> LabeledImages:
    """Label each image by the number of its folder; images in other folders are excluded.

    Raises:
        DataError: the folders name fewer than two emotions.
    """
    emotions = emotions_by_number(numbering)
    found = {image: number_of(image) for image in source.images}
    return label_by_emotion(
        source,
        {image: emotions[number] for image, number in found.items() if number in emotions},
        f"The numbers of the folders were read as {name}'s labels ({describe_numbering(numbering)}). To use the numbers "
        "as classes, give --classes folders.",
    )


def find_chosen(source: Source) -> LabeledImages | None:
    """Label by the numbering that the user chose (``--classes affectnet`` etc.); None if no folder is a number."""
    if source.how not in NUMBERINGS or not any(map(number_of, source.images)):
        return None
    return label_by_numbered_folder(source, source.how, source.how)


def unnamed_numbers_note(source: Source) -> list[str]:
    """Return a warning if all folders are label numbers of an unknown data set; the classes are then numbers."""
    numbers = folder_numbers(source)
    fitting = [name for name in NUMBERINGS if numbers and numbers <= set(emotions_by_number(name))]
    if source.how != "auto" or len(numbers) < 5 or not fitting:
        return []
    choices = "; ".join(f"--classes {name}: {describe_numbering(name)}" for name in fitting)
    return [
        f"The folders are numbers ({', '.join(sorted(numbers))}), and data sets number emotions differently, so the "
        f"numbers are the classes. If they are emotions, choose their meaning: {choices}."
    ]
