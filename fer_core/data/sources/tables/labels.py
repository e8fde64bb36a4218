"""Label cells to classes: FER2013's numbers, names of emotions, or any names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fer_core.classes import ClassList, class_key, find_emotion, folded, in_emotion_order
from fer_core.data.parsed import BrokenFile, ClassReading
from fer_core.data.sources.layouts.class_folders import make_class_list, named
from fer_core.formatting import display_safe

Label = int | str
"""An id of FER2013, or a name."""


@dataclass(frozen=True)
class CsvClasses:
    """What became of the label of each row.

    Attributes:
        classes: the classes, in order.
        position: position in ``classes`` of each label.
        broken: why the rows with a label cannot be used.
        left_out: labels that are no emotions, where only these are read.
        notes: sentences for the user.
    """

    classes: ClassList
    position: dict[Label, int]
    broken: dict[Label, str] = field(default_factory=dict)
    left_out: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()


def parse_label(cell: str) -> Label:
    """The label that a cell holds.

    Raises:
        BrokenFile: it is empty, or a number that is no id of FER2013.
    """
    text = display_safe(cell.strip())
    last = len(ClassList.fer2013()) - 1
    fault = BrokenFile(f"has the label '{text[:20]}', expected 0…{last} or the name of a class")
    if not text:
        raise fault
    try:
        number = float(text)
    except ValueError:
        return text
    if not (number.is_integer() and 0 <= number <= last and text.isdecimal()):
        raise fault
    return int(number)


def classes_of_labels(labels: Sequence[Label], how: ClassReading, where: str) -> CsvClasses | None:
    """The classes that are present in the labels of all rows; None if there are no rows, or none that count.

    Where numbers and names that are no emotions are mixed, the fewer of both are broken rows.

    Raises:
        DataError: fewer than two or too many classes, or a name that cannot be one.
    """
    count: dict[Label, int] = {}
    for label in labels:
        count[label] = count.get(label, 0) + 1
    names = [label for label in count if isinstance(label, str)]
    ids = [label for label in count if isinstance(label, int)]
    strangers = [name for name in names if find_emotion(name) is None]
    if how == "emotions":
        used = [label for label in count if label not in strangers]
        notes = [_left_out(strangers, sum(count[name] for name in strangers))] if strangers else []
        return _by_emotion(used, where, left_out=strangers, notes=notes)
    if not names or (how == "auto" and not strangers):
        return _by_emotion(list(count), where)
    if sum(count[i] for i in ids) > sum(count[name] for name in names):
        broken = strangers if how == "auto" else names
        reason = "has the label '{}', a name among numbers of FER2013"
        return _by_emotion(
            [label for label in count if label not in broken],
            where,
            broken={name: reason.format(name[:20]) for name in broken},
        )
    return _by_name(names, where, broken={i: f"has the label '{i}', a number among names" for i in ids})


def _by_emotion(
    labels: list[Label],
    where: str,
    *,
    broken: dict[Label, str] | None = None,
    left_out: Sequence[Label] = (),
    notes: Sequence[str] = (),
) -> CsvClasses | None:
    if not labels:
        return None
    fer2013 = ClassList.fer2013()
    name_of = {label: fer2013[label] if isinstance(label, int) else class_key(label) for label in labels}
    classes = make_class_list(in_emotion_order(sorted(set(name_of.values()))), where, "labels")
    position = {label: classes.names.index(name) for label, name in name_of.items()}
    return CsvClasses(classes, position, broken or {}, tuple(left_out), tuple(notes))


def _by_name(names: list[str], where: str, broken: dict[Label, str]) -> CsvClasses:
    spellings: dict[str, list[str]] = {}
    for name in sorted(names):
        spellings.setdefault(folded(name), []).append(name)
    classes = make_class_list([spellings[key][0] for key in sorted(spellings)], where, "labels")
    position: dict[Label, int] = {name: i for i, key in enumerate(sorted(spellings)) for name in spellings[key]}
    several = [named(same) for same in spellings.values() if len(same) > 1]
    notes = [f"Labels that are equal but for case are one class: {'; '.join(several[:3])}."] if several else []
    return CsvClasses(classes, position, broken, notes=tuple(notes))


def _left_out(names: Sequence[str], rows: int) -> str:
    return f"Rows whose label names no emotion were left out ({rows:,}): {named(names)}."
