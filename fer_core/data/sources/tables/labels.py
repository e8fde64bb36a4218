"""Maps label cells of a table to classes: FER2013's numbers, names of emotions, or any names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from fer_core.classes import ClassList, class_key, find_emotion, folded, in_emotion_order
from fer_core.data.parsed import ClassReading, UnreadableFile
from fer_core.data.sources.layouts.labeled import make_class_list, named
from fer_core.data.sources.layouts.numbered import NUMBERINGS, emotions_by_number
from fer_core.formatting import display_safe

Label = int | str
"""A number 0…7, or a name."""

LARGEST_NUMBER: Final = 7
"""Labels are FER2013's 0…6; 7 is contempt, as in the csv of CK+. Other data sets must be chosen."""
_WHOLE: Final = re.compile(r"\+?\d{1,9}(\.0*)?")  # pandas writes a column with a missing value as floats


@dataclass(frozen=True)
class LabelClasses:
    """The class of each label of a table.

    Attributes:
        classes: the classes, in order.
        position: position in ``classes`` of each label.
        unreadable: for each unusable label, the reason.
        excluded: labels that name no emotion, if only emotions are read.
        notes: sentences for the user.
    """

    classes: ClassList
    position: dict[Label, int]
    unreadable: dict[Label, str] = field(default_factory=dict)
    excluded: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()


def parse_label(cell: str) -> Label:
    """Parse a label cell: a number 0…7, also written as a whole float (``3.0``), or a name.

    Raises:
        UnreadableFile: the cell is empty, or another number.
    """
    text = display_safe(cell.strip())
    fault = UnreadableFile(f"has the label '{text[:20]}', expected 0…{LARGEST_NUMBER} or the name of a class")
    if not text:
        raise fault
    try:
        number = float(text)
    except ValueError:
        return text
    if not _WHOLE.fullmatch(text) or not 0 <= number <= LARGEST_NUMBER:
        raise fault
    return int(number)


def classes_of_labels(labels: Sequence[Label], how: ClassReading, where: str) -> LabelClasses | None:
    """Find the classes of the labels of all rows; None if there are no usable labels.

    If numbers are mixed with names that are not emotions, the less frequent kind is unreadable.

    Raises:
        DataError: there are fewer than two or too many classes, or a name is not a valid class name.
    """
    count: dict[Label, int] = {}
    for label in labels:
        count[label] = count.get(label, 0) + 1
    names = [label for label in count if isinstance(label, str)]
    ids = [label for label in count if isinstance(label, int)]
    strangers = [name for name in names if find_emotion(name) is None]
    numbering = how if how in NUMBERINGS else "fer2013"
    emotions = emotions_by_number(numbering)
    if wrong := [i for i in ids if str(i) not in emotions]:
        reason = f"has the label '{{}}', which {numbering} does not have"
        found = classes_of_labels([label for label in labels if label not in wrong], how, where)
        return found and replace(found, unreadable={**found.unreadable, **{i: reason.format(i) for i in wrong}})
    if how == "emotions":
        used = [label for label in count if label not in strangers]
        notes = [_excluded_note(strangers, sum(count[name] for name in strangers))] if strangers else []
        return _by_emotion(used, where, emotions, excluded=strangers, notes=notes)
    by_name = how == "folders"
    if not names or not (by_name or strangers):
        notes = ["The label 7 was read as contempt, as in the csv of CK+."] if 7 in ids and how == "auto" else []
        return _by_emotion(list(count), where, emotions, notes=notes)
    if sum(count[i] for i in ids) > sum(count[name] for name in names):
        misfits = names if by_name else strangers
        reason = "has the label '{}', a name among numbers of FER2013"
        return _by_emotion(
            [label for label in count if label not in misfits],
            where,
            emotions,
            unreadable={name: reason.format(name[:20]) for name in misfits},
        )
    return _by_name(names, where, unreadable={i: f"has the label '{i}', a number among names" for i in ids})


def _by_emotion(
    labels: list[Label],
    where: str,
    emotions: Mapping[str, str],
    *,
    unreadable: dict[Label, str] | None = None,
    excluded: Sequence[Label] = (),
    notes: Sequence[str] = (),
) -> LabelClasses | None:
    if not labels:
        return None
    name_of = {label: emotions[str(label)] if isinstance(label, int) else class_key(label) for label in labels}
    classes = make_class_list(in_emotion_order(sorted(set(name_of.values()))), where, "labels")
    position = {label: classes.names.index(name) for label, name in name_of.items()}
    return LabelClasses(classes, position, unreadable or {}, tuple(excluded), tuple(notes))


def _by_name(names: list[str], where: str, unreadable: dict[Label, str]) -> LabelClasses:
    spellings: dict[str, list[str]] = {}
    for name in sorted(names):
        spellings.setdefault(folded(name), []).append(name)
    classes = make_class_list([spellings[key][0] for key in sorted(spellings)], where, "labels")
    position: dict[Label, int] = {name: i for i, key in enumerate(sorted(spellings)) for name in spellings[key]}
    several = [named(same) for same in spellings.values() if len(same) > 1]
    notes = [f"Labels that differ only in case are one class: {'; '.join(several[:3])}."] if several else []
    return LabelClasses(classes, position, unreadable, notes=tuple(notes))


def _excluded_note(names: Sequence[str], rows: int) -> str:
    return f"Excluded {rows:,} rows whose label names no emotion: {named(names)}."
