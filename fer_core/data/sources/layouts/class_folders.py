"""Folders to classes: which folder of a tree of images is a class, which a person, and which is neither.

Only names are looked at, so that everything here can be tried without images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from fer_core.classes import ClassList, class_key, find_emotion, folded, in_emotion_order
from fer_core.data.dataset import find_split
from fer_core.data.parsed import ClassReading, face_id
from fer_core.errors import AmbiguousFolders, DataError

_NAMED = 3
"""Most folders that a sentence names; the rest are counted."""


@dataclass(frozen=True)
class ClassFolders:
    """What became of each image file.

    Attributes:
        classes: the classes, in order.
        labels: position in ``classes`` of each image that has a class, by the file's name, in the order given.
        groups: the person or session of each image that has one, by the file's name.
        left_out: images that lie in no class folder.
        by_emotion: the classes are emotions, told by any of their names; otherwise they are the folders' own names.
        notes: sentences for the user.
    """

    classes: ClassList
    labels: dict[str, int]
    groups: dict[str, str]
    left_out: tuple[str, ...]
    by_emotion: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Directory:
    """A folder that holds images.

    Attributes:
        path: its name, as in the names of the files.
        parts: the folders of ``path``.
        levels: positions in ``parts`` that may be a class or a person: no split, no folder around everything.
    """

    path: str
    parts: tuple[str, ...]
    levels: tuple[int, ...]

    def names(self) -> tuple[str, ...]:
        return tuple(self.parts[i] for i in self.levels)


@dataclass(frozen=True)
class _Spot:
    """The class folder and the person of a directory's images."""

    above: tuple[str, ...]
    """All folders that the class folder lies in, splits too: two class folders with the same ones are siblings."""
    folder: str
    person: str


def sort_into_classes(names: Iterable[str], how: ClassReading, where: str) -> ClassFolders | None:
    """Find the classes of image files by the folders they lie in; None if no image lies in a folder that counts.

    A folder that all images share is no class, nor is one named after a split. Where every image lies in the folder
    of an emotion at some depth, these are the classes and what is above them are persons. Otherwise the uppermost
    folders are the classes, unless the level below repeats the same two or more names under each of two or more:
    then the upper level are persons. ``docs/data.md`` has examples.

    Args:
        names: of image files, with ``/`` between folders.
        how: ``auto``: emotions where all class folders name one of the eight, else the folders' own names;
            ``emotions``: folders that name no emotion are left out; ``folders``: always their own names.
        where: what to call the source in messages.

    Raises:
        DataError: fewer than two or too many classes, a name that cannot be one, two folders side by side that are
            equal but for case, or an image under two emotions.
    """
    files: dict[str, list[str]] = defaultdict(list)
    for name in names:
        files[name.rpartition("/")[0]].append(name)
    directories = [directory for directory in _directories(files) if directory.levels]
    if how == "emotions":
        directories = [d for d in directories if any(find_emotion(name) for name in d.names())]
    if not directories:
        return None
    spots = _find_spots(directories, how)
    by_emotion = how != "folders" and all(find_emotion(spot.folder) for spot in spots.values())
    _refuse_equal_names(spots.values(), where)
    class_of = _emotion_classes(spots.values()) if by_emotion else _own_classes(spots.values())
    ordered = in_emotion_order(sorted(set(class_of.values()))) if by_emotion else _sorted(set(class_of.values()))
    hint = [] if by_emotion or any(spot.person for spot in spots.values()) else list(_not_persons(directories))
    classes = make_class_list(ordered, where, "folders", *hint)
    placed = [(path, spots[path], name) for path, members in files.items() if path in spots for name in members]
    notes = [*_fallback(spots.values(), how, by_emotion), *hint, *_persons(spots.values(), classes, by_emotion)]
    return ClassFolders(
        classes=classes,
        labels={name: classes.names.index(class_of[spot.folder]) for _, spot, name in placed},
        groups={name: spot.person for _, spot, name in placed if spot.person},
        left_out=tuple(name for path, members in files.items() if path not in spots for name in members),
        by_emotion=by_emotion,
        notes=tuple(notes),
    )


def make_class_list(names: Iterable[str], where: str, what: str, *hints: str) -> ClassList:
    """A list of classes from the names of ``what`` ("folders", "labels").

    Raises:
        DataError: they cannot be classes; the message says which were found, and what to do.
    """
    names = tuple(names)
    try:
        return ClassList(names)
    except DataError as error:
        advice = (
            "Put the faces of each class into a folder of its own" if what == "folders" else "Give each class a label"
        )
        raise DataError(
            f"{where}: {error} Found as classes: the {what} {named(names)}. {advice}, with a short name. {' '.join(hints)}".rstrip()
        ) from error


def named(names: Iterable[str], limit: int = _NAMED) -> str:
    """The first names in quotes, and how many more there are."""
    names = list(names)
    shown = ", ".join(f"'{name[:80]}'" for name in names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown


def _directories(paths: Iterable[str]) -> Iterator[_Directory]:
    """The directories with their levels, without those that lie around everything."""
    parts = {path: tuple(path.split("/")) if path else () for path in paths}
    levels = {p: tuple(i for i, part in enumerate(own) if find_split(part) is None) for p, own in parts.items()}
    while True:
        first = {parts[path][own[0]] for path, own in levels.items() if own}
        if len(first) != 1 or find_emotion(min(first)) or max(map(len, levels.values())) < 2:
            break
        levels = {path: own[1:] for path, own in levels.items()}
    return (_Directory(path, parts[path], levels[path]) for path in parts)


def _find_spots(directories: list[_Directory], how: ClassReading) -> dict[str, _Spot]:
    emotions = {d.path: {e.name for name in d.names() if (e := find_emotion(name))} for d in directories}
    at_any_depth = all(emotions.values())
    if at_any_depth and (torn := next((d for d in directories if len(emotions[d.path]) > 1), None)):
        if how != "folders":
            raise AmbiguousFolders(
                f"The folders of '{face_id(torn.path)}' name two emotions, {' and '.join(sorted(emotions[torn.path]))}. "
                "Keep each image under one emotion, or read the folders by their own names (--classes folders)."
            )
        at_any_depth = False
    depth = 1 if not at_any_depth and _upper_level_is_persons(directories) else 0
    depths = {
        d.path: next(i for i, name in enumerate(d.names()) if find_emotion(name)) if at_any_depth else depth
        for d in directories
    }
    person_of = _persons_above([d.names()[: depths[d.path]] for d in directories])
    spots = {}
    for d in directories:
        names, position = d.names(), d.levels[depths[d.path]]
        spots[d.path] = _Spot(d.parts[:position], d.parts[position], person_of(names[: depths[d.path]]))
    return spots


def _persons_above(above: list[tuple[str, ...]]) -> Callable[[tuple[str, ...]], str]:
    """How the folders above a class name the person. Of several levels (persons and sessions) it is the one with the
    most names, so that a person who was recorded twice is not taken for two."""
    if len({len(names) for names in above}) == 1 and len(above[0]) > 1:
        level = max(range(len(above[0])), key=lambda i: len({names[i] for names in above}))
        return lambda names: face_id(names[level])
    return lambda names: "/".join(map(face_id, names))


def _below(directories: list[_Directory]) -> dict[str, set[str]] | None:
    """The names below each uppermost folder; None where images lie directly in one, so that it cannot be a person."""
    if any(len(d.levels) == 1 for d in directories):
        return None
    below: dict[str, set[str]] = defaultdict(set)
    for d in directories:
        upper, lower = d.names()[:2]
        below[upper].add(folded(lower))
    return below


def _upper_level_is_persons(directories: list[_Directory]) -> bool:
    """Whether the same names, at least two, stand in each of at least two uppermost folders."""
    below = _below(directories)
    if below is None or len(below) < 2:
        return False
    repeated = next(iter(below.values()))
    if len(repeated) < 2 or any(lower != repeated for lower in below.values()):
        return False
    return not all(map(find_emotion, below)) or all(map(find_emotion, repeated))


def _not_persons(directories: list[_Directory]) -> Iterator[str]:
    """Why uppermost folders that look like persons were read as classes: one of them lacks a name that others have."""
    below = _below(directories)
    if below is None or all(map(find_emotion, below)):
        return
    often = {name for name, n in Counter(chain(*below.values())).items() if 2 * n > len(below) and n > 1}
    lacking = next(((upper, min(often - lower)) for upper, lower in below.items() if often - lower), None)
    if len(often) > 1 and lacking:
        upper, name = map(face_id, lacking)
        yield (
            f"The upper folders are the classes ({named(map(face_id, below))}). To be read as persons, each would have to "
            f"hold the same folders; '{upper}' holds no '{name}'."
        )


def _refuse_equal_names(spots: Iterable[_Spot], where: str) -> None:
    seen: dict[tuple[tuple[str, ...], str], str] = {}
    for spot in spots:
        if (other := seen.setdefault((spot.above, folded(spot.folder)), spot.folder)) != spot.folder:
            raise DataError(
                f"{where}: the folders '{face_id(other)}' and '{face_id(spot.folder)}' have the same name but for case or "
                "the form of their characters. Merge them into one folder, or rename one."
            )


def _emotion_classes(spots: Iterable[_Spot]) -> dict[str, str]:
    """The class of each folder name. Where two folders side by side name one emotion, they stay apart under their own
    names: whoever loads refuses them, unless a class map says what to do with them."""
    beside: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
    folders = set()
    for spot in spots:
        beside[spot.above, class_key(spot.folder)].add(folded(spot.folder))
        folders.add(spot.folder)
    apart = {emotion for (_, emotion), names in beside.items() if len(names) > 1}
    own = _own_names(folders)
    return {f: own[f] if class_key(f) in apart else class_key(f) for f in folders}


def _own_classes(spots: Iterable[_Spot]) -> dict[str, str]:
    return _own_names({spot.folder for spot in spots})


def _own_names(folders: Iterable[str]) -> dict[str, str]:
    """One name for folders of different splits that are equal but for case: the first, capitals before small letters."""
    first: dict[str, str] = {}
    return {folder: first.setdefault(folded(folder), face_id(folder)) for folder in sorted(folders)}


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (folded(name), name))


def _fallback(spots: Iterable[_Spot], how: ClassReading, by_emotion: bool) -> Iterator[str]:
    """Why a few folders among emotions made all classes keep their own names."""
    folders = {folded(spot.folder): face_id(spot.folder) for spot in spots}
    others = [name for key, name in folders.items() if not find_emotion(key)]
    if how == "auto" and not by_emotion and len(others) < len(folders) - len(others):
        one = len(others) == 1
        yield (
            f"Not all folders name an emotion ({named(_sorted(others))} {'does' if one else 'do'} not), so the classes are "
            f"the folders' own names. To leave {'it' if one else 'them'} out, choose to read emotions only (--classes emotions)."
        )


def _persons(spots: Iterable[_Spot], classes: ClassList, by_emotion: bool) -> Iterator[str]:
    persons = Counter(spot.person for spot in spots if spot.person)
    if persons:
        other = "" if by_emotion else " If the upper folders are the classes, give the folders in them different names."
        yield (
            f"Read as persons or sessions: {len(persons):,} folders ({named(_sorted(persons))}); as classes: the folders "
            f"in them ({', '.join(classes[:10])}{', …' if len(classes) > 10 else ''}).{other}"
        )
