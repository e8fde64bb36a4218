"""Classes as a value: an ordered list of names with a color each, which belongs to a data set or a checkpoint.

No list of classes is global. Two lists are matched by name (:meth:`ClassList.find`), never by position, because three orders of
the same emotions are in use (the ids of ``fer2013.csv``, alphabetical folders, the columns of FER+). Only a vocabulary is
fixed: the eight emotions of FER2013 and FER+, with their aliases and colors.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, overload

from fer_core.errors import DataError
from fer_core.formatting import display_safe

MIN_CLASSES: Final = 2
MAX_CLASSES: Final = 100
MAX_NAME: Final = 80
"""Maximum length of a class name, in characters."""


@dataclass(frozen=True, slots=True)
class Emotion:
    """An emotion of FER2013 or FER+."""

    name: str
    color: str
    """Hex color, the same in every chart and box."""
    aliases: tuple[str, ...]
    """Aliases in lower case."""
    action_units: str
    """The facial movement, with FACS action units (Ekman & Friesen 1978)."""


_EMOTIONS: Final[tuple[Emotion, ...]] = (
    Emotion(
        "angry",
        "#D55E00",
        ("anger", "ang"),
        "brows lowered (AU4), lids tight (AU7), lips pressed (AU23/24)",
    ),
    Emotion("disgust", "#009E73", ("disgusted", "dis"), "nose wrinkled (AU9), upper lip raised (AU10)"),
    Emotion(
        "fear",
        "#CC79A7",
        ("fearful", "afraid", "scared", "fea"),
        "brows raised and drawn together (AU1+2+4), eyes wide (AU5), mouth stretched (AU20)",
    ),
    Emotion(
        "happy",
        "#E69F00",
        ("happiness", "joy", "smile", "hap"),
        "cheeks raised (AU6), lip corners pulled up (AU12)",
    ),
    Emotion("sad", "#0072B2", ("sadness",), "inner brows raised (AU1+4), lip corners down (AU15)"),
    Emotion(
        "surprise",
        "#56B4E9",
        ("surprised", "sur"),
        "brows raised (AU1+2), eyes wide (AU5), jaw dropped (AU26)",
    ),
    Emotion("neutral", "#8A8A8A", ("neutrality", "normal", "neu"), "no action unit active"),
    Emotion("contempt", "#882255", ("contemptuous",), "one lip corner tightened (AU14)"),
)
"""The emotions in the order of FER2013's ids, then contempt. Colors by Okabe and Ito; contempt by Paul Tol."""

_BY_NAME: Final[Mapping[str, Emotion]] = {name: e for e in _EMOTIONS for name in (e.name, *e.aliases)}

_PALETTE: Final = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9",
    "#332288", "#AA4499", "#117733", "#CC6677", "#44AA99", "#999933", "#661100", "#6699CC",
)  # fmt: skip
"""Colors for other classes, from Okabe and Ito and from Paul Tol's *muted* set; both suit color-blind readers."""


def find_emotion(name: str) -> Emotion | None:
    """Return the emotion with this name or alias, in any case; None if there is none."""
    return _BY_NAME.get(folded(name))


def class_key(name: str) -> str:
    """Return a key that is equal for names of the same class: the emotion's name, or the folded name."""
    emotion = find_emotion(name)
    return emotion.name if emotion is not None else folded(name)


def folded(name: str) -> str:
    """Return the name without case, Unicode form and outer spaces; names of a list must differ in it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


@dataclass(frozen=True)
class ClassList(Sequence[str]):
    """The classes of a data set or model: 2 to 100 names in the order of labels and logits.

    Attributes:
        names: as the data set writes them; unique regardless of case and Unicode form.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        for name in self.names:
            check_class_name(name)
        if not MIN_CLASSES <= len(self.names) <= MAX_CLASSES:
            what = "is one class" if len(self.names) == 1 else f"are {len(self.names):,} classes"
            only = f" ('{self.names[0]}')" if len(self.names) == 1 else ""
            raise DataError(f"There {what}{only}; a data set or model has {MIN_CLASSES} to {MAX_CLASSES}.")
        seen: dict[str, str] = {}
        for name in self.names:
            if (other := seen.get(folded(name))) is not None:
                raise DataError(f"Two class names differ only in case or spelling: '{other}' and '{name}'.")
            seen[folded(name)] = name

    @classmethod
    def fer2013(cls) -> ClassList:
        """Return FER2013's seven classes in the order of the ids in ``fer2013.csv``."""
        return cls(tuple(e.name for e in _EMOTIONS[:7]))

    @classmethod
    def ferplus(cls) -> ClassList:
        """Return FER+'s eight classes: FER2013's seven, then contempt."""
        return cls(tuple(e.name for e in _EMOTIONS))

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def find(self, name: str) -> int | None:
        """Return the position of a class by name, then ignoring case, then by an emotion's alias; None if not found."""
        if name in self._exact:
            return self._exact[name]
        return self._keys.get(class_key(name))

    def position(self, name: str) -> int:
        """Return the position of a class like :meth:`find`.

        Raises:
            DataError: the class does not exist; the message lists those that do.
        """
        found = self.find(name)
        if found is None:
            raise DataError(f"'{display_safe(name[:MAX_NAME])}' is not a class here. Known: {', '.join(self.names)}.")
        return found

    def color(self, name: str) -> str:
        """Return the hex color of a class; gray if the name is not a class."""
        found = self.find(name)
        return OTHER_COLOR if found is None else self.colors[found]

    @cached_property
    def colors(self) -> tuple[str, ...]:
        """A hex color per class: emotions have their own, other classes take the next free one.

        Colors repeat if there are more classes than colors.
        """
        own = [e.color if (e := find_emotion(name)) else None for name in self.names]
        free = [color for color in _PALETTE if color not in own] or list(_PALETTE)
        others = iter(range(len(own)))
        return tuple(color or free[next(others) % len(free)] for color in own)

    @cached_property
    def emotions(self) -> tuple[Emotion | None, ...]:
        """For each class, the emotion of that name or None."""
        return tuple(find_emotion(name) for name in self.names)

    @property
    def all_emotions(self) -> bool:
        """Whether every class is one of the eight emotions."""
        return None not in self.emotions

    def same_as(self, other: ClassList) -> bool:
        """Return whether two lists have the same classes, in any order and under any alias."""
        found = {other.find(name) for name in self} - {None}
        return len(found) == len(self) == len(other)

    def positions_in(self, other: ClassList) -> tuple[int | None, ...]:
        """Return, for each class, the position of its counterpart in ``other``, or None.

        Exact names match first, then names that differ in case, then aliases. No two classes share a counterpart.
        """
        found: dict[int, int] = {}
        for same in (str.__eq__, lambda a, b: class_key(a) == class_key(b)):
            for i, name in enumerate(self):
                free = (k for k, known in enumerate(other) if k not in found.values() and same(name, known))
                if i not in found and (place := next(free, None)) is not None:
                    found[i] = place
        return tuple(found.get(i) for i in range(len(self)))

    @cached_property
    def _exact(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def _keys(self) -> dict[str, int]:
        keys: dict[str, int] = {}
        for i, name in enumerate(self.names):
            keys.setdefault(class_key(name), i)
        return keys


OTHER_COLOR: Final = "#8A8A8A"
"""Color of a prediction below the threshold, or of an unknown class."""


def check_class_name(name: str) -> str:
    """Return ``name`` if it is a valid class name: 1 to 80 printable characters.

    Raises:
        DataError: it is empty, too long or contains control characters.
    """
    if not name.strip():
        raise DataError("A class name is empty. Give the class a name.")
    if len(name) > MAX_NAME:
        raise DataError(
            f"The class name '{display_safe(name[:20])}…' has {len(name)} characters; the maximum is {MAX_NAME}."
        )
    if display_safe(name) != name:
        raise DataError(f"The class name '{display_safe(name)}' contains characters that cannot be printed. Rename it.")
    return name


def in_emotion_order(names: Iterable[str]) -> list[str]:
    """Sort names of emotions in FER2013's order, contempt last; other names keep their order, at the end."""
    order = {e.name: i for i, e in enumerate(_EMOTIONS)}
    return sorted(names, key=lambda name: order.get(class_key(name), len(order)))
