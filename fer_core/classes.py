"""Classes as a value: a list of names in order, with a color each. It belongs to a data set or to a checkpoint.

Nothing in the program owns *the* list of classes. Two lists meet by name (:meth:`ClassList.find`), never by position:
three orders of the same emotions are in the wild (the ids of ``fer2013.csv``, alphabetical folders, FER+'s columns).
What is fixed is a vocabulary: the eight emotions that FER2013 and FER+ name, with their other names and colors.
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
"""Longest name of a class, in characters."""


@dataclass(frozen=True, slots=True)
class Emotion:
    """An emotion of FER2013 or FER+, as people who label faces use the word."""

    name: str
    color: str
    """Hex color, the same in every chart and box."""
    aliases: tuple[str, ...]
    """Other names that data sets use, in lower case."""
    action_units: str
    """What the face does, in plain words with FACS action units (Ekman & Friesen 1978)."""


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
    Emotion("neutral", "#8A8A8A", ("neutrality", "normal", "neu"), "no action unit at work"),
    Emotion("contempt", "#882255", ("contemptuous",), "one lip corner tightened (AU14)"),
)
"""FER2013's seven in the order of its ids, contempt last. Seven colors are Okabe and Ito's; contempt's is Paul Tol's."""

_BY_NAME: Final[Mapping[str, Emotion]] = {name: e for e in _EMOTIONS for name in (e.name, *e.aliases)}

_PALETTE: Final = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9",
    "#332288", "#AA4499", "#117733", "#CC6677", "#44AA99", "#999933", "#661100", "#6699CC",
)  # fmt: skip
"""Colors for other classes: Okabe and Ito's, then Paul Tol's *muted*; both sets are made for color-blind readers."""


def find_emotion(name: str) -> Emotion | None:
    """The emotion called ``name`` (any case, any alias); None where it is the name of something else."""
    return _BY_NAME.get(folded(name))


def class_key(name: str) -> str:
    """What two names must share to mean the same class: the emotion's own name, else the name without case."""
    emotion = find_emotion(name)
    return emotion.name if emotion is not None else folded(name)


def folded(name: str) -> str:
    """The name without regard to case, Unicode form and outer spaces: what must differ between classes of one list."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


@dataclass(frozen=True)
class ClassList(Sequence[str]):
    """The classes of a data set or a model: between 2 and 100 names in the order of labels and logits.

    Attributes:
        names: unique also without regard to case and Unicode form; as the data set writes them.
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
                raise DataError(f"Two classes have the same name but for case or spelling: '{other}' and '{name}'.")
            seen[folded(name)] = name

    @classmethod
    def fer2013(cls) -> ClassList:
        """FER2013's seven, in the order of the ids in ``fer2013.csv``."""
        return cls(tuple(e.name for e in _EMOTIONS[:7]))

    @classmethod
    def ferplus(cls) -> ClassList:
        """FER+'s eight: FER2013's seven, then contempt."""
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
        """Position of the class called ``name``: by the same name, else but for case, else by an emotion's alias."""
        if name in self._exact:
            return self._exact[name]
        return self._keys.get(class_key(name))

    def position(self, name: str) -> int:
        """As :meth:`find`.

        Raises:
            DataError: there is no such class; the message lists those that exist.
        """
        found = self.find(name)
        if found is None:
            raise DataError(f"'{display_safe(name[:MAX_NAME])}' is not a class here. Known: {', '.join(self.names)}.")
        return found

    def color(self, name: str) -> str:
        """Hex color of the class called ``name``; grey for a name that is not a class."""
        found = self.find(name)
        return OTHER_COLOR if found is None else self.colors[found]

    @cached_property
    def colors(self) -> tuple[str, ...]:
        """A hex color for each class: an emotion has its own, others take the next that is free.

        With more classes than colors, colors repeat.
        """
        own = [e.color if (e := find_emotion(name)) else None for name in self.names]
        free = [color for color in _PALETTE if color not in own] or list(_PALETTE)
        others = iter(range(len(own)))
        return tuple(color or free[next(others) % len(free)] for color in own)

    @cached_property
    def emotions(self) -> tuple[Emotion | None, ...]:
        """For each class the emotion of that name, or None."""
        return tuple(find_emotion(name) for name in self.names)

    @property
    def all_emotions(self) -> bool:
        """Whether every class is one of the eight emotions."""
        return None not in self.emotions

    def same_as(self, other: ClassList) -> bool:
        """Whether the classes are the same, in any order and by any of their names."""
        found = {other.find(name) for name in self} - {None}
        return len(found) == len(self) == len(other)

    def positions_in(self, other: ClassList) -> tuple[int | None, ...]:
        """For each class the position of its counterpart in ``other``; None where it has none there.

        The same name goes first, then the same but for case or by an emotion's alias; no two share a counterpart.
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
"""Color of what is no class: a prediction below the threshold, a name that is not known."""


def check_class_name(name: str) -> str:
    """``name``, when it can be the name of a class: 1 to 80 characters that can be printed.

    Raises:
        DataError: it is empty, too long or holds control characters.
    """
    if not name.strip():
        raise DataError("A class has an empty name; give it one.")
    if len(name) > MAX_NAME:
        raise DataError(f"The class name '{display_safe(name[:20])}…' has {len(name)} characters; at most {MAX_NAME}.")
    if display_safe(name) != name:
        raise DataError(f"The class name '{display_safe(name)}' has characters that cannot be printed. Rename it.")
    return name


def in_emotion_order(names: Iterable[str]) -> list[str]:
    """Names of emotions in FER2013's order, contempt last; names that are no emotions keep their order, at the end."""
    order = {e.name: i for i, e in enumerate(_EMOTIONS)}
    return sorted(names, key=lambda name: order.get(class_key(name), len(order)))
