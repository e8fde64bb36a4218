"""LabeledImages: the image files of a source with their labels, as every layout returns them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fer_core.classes import ClassList
from fer_core.data.dataset import SplitName
from fer_core.data.parsed import ClassReading
from fer_core.data.sources.containers.base import Container
from fer_core.errors import DataError

_NAMED: Final = 3


@dataclass(frozen=True)
class LabeledImages:
    """The labels of the image files of a source.

    Attributes:
        classes: the classes, in order.
        labels: position in ``classes`` of each image that has a class, by file name, in the order given.
        groups: person or session of each image that has one, by file name.
        excluded: images without a class.
        by_emotion: whether the classes are emotions; else they are the folders' own names.
        notes: sentences for the user.
        splits: the split of each image, if the layout states it in a file of its own.
        votes: FER+'s ten vote counts of each image, if the layout has them.
    """

    classes: ClassList
    labels: dict[str, int]
    groups: dict[str, str]
    excluded: tuple[str, ...]
    by_emotion: bool
    notes: tuple[str, ...]
    splits: Mapping[str, SplitName] | None = None
    votes: Mapping[str, Sequence[int]] | None = None


@dataclass(frozen=True)
class Source:
    """What a layout looks at.

    Attributes:
        container: the files.
        images: names of the image files, sorted.
        where: name of the source in messages.
        how: how folders become classes.
    """

    container: Container
    images: Sequence[str]
    where: str
    how: ClassReading


@dataclass(frozen=True)
class Layout:
    """A known layout of image files.

    Attributes:
        name: the data set's name, for people.
        find: returns the labels if the source has this layout, else None. Raises DataError if it has the layout but
            is damaged.
        by_names: whether the labels come from the file names, so that folders named after emotions take precedence.
    """

    name: str
    find: Callable[[Source], LabeledImages | None]
    by_names: bool = False


def make_class_list(names: Iterable[str], where: str, what: str, *hints: str) -> ClassList:
    """Return a class list made of the names of ``what`` ("folders", "labels").

    Raises:
        DataError: the names cannot be classes; the message lists them and says what to do.
    """
    names = tuple(names)
    try:
        return ClassList(names)
    except DataError as error:
        advice = "Put the faces of each class into their own folder" if what == "folders" else "Give each class a label"
        raise DataError(
            f"{where}: {error} Found as classes: the {what} {named(names)}. {advice}, with a short name. {' '.join(hints)}".rstrip()
        ) from error


def named(names: Iterable[str], limit: int = _NAMED) -> str:
    """Return the first names in quotes, and how many more there are."""
    names = list(names)
    examples = ", ".join(f"'{name[:80]}'" for name in names[:limit])
    return f"{examples} and {len(names) - limit:,} more" if len(names) > limit else examples


def label_by_emotion(
    source: Source,
    emotion_of: Mapping[str, str],
    note: str,
    *,
    groups: Mapping[str, str] | None = None,
    splits: Mapping[str, SplitName] | None = None,
    votes: Mapping[str, Sequence[int]] | None = None,
) -> LabeledImages:
    """Return the labels of images whose emotion is known; all other images of the source are excluded.

    Args:
        source: the source.
        emotion_of: the emotion's name of each image, by file name.
        note: a sentence on how the labels were read.
        groups: see :class:`LabeledImages`, as are the others.
        splits: see there.
        votes: see there.

    Raises:
        DataError: there are fewer than two emotions.
    """
    from fer_core.classes import in_emotion_order

    classes = make_class_list(in_emotion_order(sorted(set(emotion_of.values()))), source.where, "labels")
    return LabeledImages(
        classes=classes,
        labels={name: classes.names.index(emotion_of[name]) for name in source.images if name in emotion_of},
        groups={name: group for name, group in (groups or {}).items() if name in emotion_of},
        excluded=tuple(name for name in source.images if name not in emotion_of),
        by_emotion=True,
        notes=(note,),
        splits=splits,
        votes=votes,
    )
