"""Folders of classes: which folder of a tree of images is a class, which is a person, and which is neither.

Works on file names only, so that it can be tested without images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from fer_core.classes import ClassList, class_key, find_emotion, folded, in_emotion_order
from fer_core.data.dataset import find_split
from fer_core.data.parsed import ClassReading, face_id
from fer_core.data.sources.layouts.labeled import LabeledImages, make_class_list, named
from fer_core.errors import AmbiguousFolders, DataError


@dataclass(frozen=True)
class _Directory:
    """A folder that contains images.

    Attributes:
        path: its name, as in the file names.
        parts: the folders of ``path``.
        levels: positions in ``parts`` that can be a class or a person: not a split, not a folder around everything.
    """

    path: str
    parts: tuple[str, ...]
    levels: tuple[int, ...]

    def names(self) -> tuple[str, ...]:
        return tuple(self.parts[i] for i in self.levels)


@dataclass(frozen=True)
class _Spot:
    """The class folder and the person of the images of a directory."""

    above: tuple[str, ...]
    """All folders above the class folder, including splits; class folders with the same ones are siblings."""
    folder: str
    person: str


def sort_into_classes(names: Iterable[str], how: ClassReading, where: str) -> LabeledImages | None:
    """Find the classes of image files by their folders; None if no image is in a folder that can be a class.

    Folders that all images share and folders named after a split are never classes. If most images are in folders of
    emotions, at any depth, that level has the classes: the folders above are persons, folders beside them are classes
    of their own, and images anywhere else are excluded. If not, the top folders are the classes, unless the level below
    repeats the same two or more names under each of two or more folders; then the top folders are persons.
    ``docs/data.md`` has examples.

    Args:
        names: names of image files, with ``/`` between folders.
        how: ``auto``: emotions if all class folders name one of the eight, else the folders' own names;
            ``emotions``: exclude folders that name no emotion; ``folders``: always the folders' own names.
        where: name of the source in messages.

    Raises:
        DataError: there are fewer than two or too many classes, a name cannot be a class, two sibling folders differ
            only in case, or an image is under two emotions.
    """
    files: dict[str, list[str]] = defaultdict(list)
    for name in names:
        files[name.rpartition("/")[0]].append(name)
    directories = [directory for directory in _directories(files) if directory.levels]
    if how == "emotions":
        directories = [d for d in directories if any(find_emotion(name) for name in d.names())]
    if not directories:
        return None
    spots = _find_spots(directories, how, {path: len(members) for path, members in files.items()})
    by_emotion = how != "folders" and all(find_emotion(spot.folder) for spot in spots.values())
    _refuse_equal_names(spots.values(), where)
    class_of = _emotion_classes(spots.values()) if by_emotion else _own_classes(spots.values())
    ordered = in_emotion_order(sorted(set(class_of.values()))) if by_emotion else _sorted(set(class_of.values()))
    hint = [] if by_emotion or any(spot.person for spot in spots.values()) else list(_not_persons(directories))
    classes = make_class_list(ordered, where, "folders", *hint)
    placed = [(path, spots[path], name) for path, members in files.items() if path in spots for name in members]
    notes = [*_fallback(spots.values(), how, by_emotion), *hint, *_persons(spots.values(), classes, by_emotion)]
    return LabeledImages(
        classes=classes,
        labels={name: classes.names.index(class_of[spot.folder]) for _, spot, name in placed},
        groups={name: spot.person for _, spot, name in placed if spot.person},
        excluded=tuple(name for path, members in files.items() if path not in spots for name in members),
        by_emotion=by_emotion,
        notes=tuple(notes),
    )


def _directories(paths: Iterable[str]) -> Iterator[_Directory]:
    """Yield the directories with their levels, without the folders around everything."""
    parts = {path: tuple(path.split("/")) if path else () for path in paths}
    levels = {p: tuple(i for i, part in enumerate(own) if find_split(part) is None) for p, own in parts.items()}
    while True:
        first = {parts[path][own[0]] for path, own in levels.items() if own}
        if len(first) != 1 or find_emotion(min(first)) or max(map(len, levels.values())) < 2:
            break
        levels = {path: own[1:] for path, own in levels.items()}
    return (_Directory(path, parts[path], levels[path]) for path in parts)


def _find_spots(directories: list[_Directory], how: ClassReading, images: Mapping[str, int]) -> dict[str, _Spot]:
    """Return class folder and person of each directory; directories outside the level of the emotions have none."""
    depths = _emotion_depths(directories, how, images)
    if depths is None:
        depth = 1 if _upper_level_is_persons(directories) else 0
        depths = {d.path: depth for d in directories}
    inside = [d for d in directories if d.path in depths]
    person_of = _persons_above([d.names()[: depths[d.path]] for d in inside])
    spots = {}
    for d in inside:
        names, position = d.names(), d.levels[depths[d.path]]
        spots[d.path] = _Spot(d.parts[:position], d.parts[position], person_of(names[: depths[d.path]]))
    return spots


def _emotion_depths(
    directories: list[_Directory], how: ClassReading, images: Mapping[str, int]
) -> dict[str, int] | None:
    """Return the position among each directory's levels that is the class, if the classes are at a level of emotions.

    None if fewer than half of the images are in folders of emotions, or in those of a single emotion.
    """
    hits = {d.path: [i for i, name in enumerate(d.names()) if find_emotion(name)] for d in directories}
    depths = {path: at[0] for path, at in hits.items() if at}
    everywhere = len(depths) == len(directories)
    if not everywhere and how == "folders":
        return None
    disputed = [d for d in directories if len({class_key(d.names()[i]) for i in hits[d.path]}) > 1]
    level = _undisputed_level(directories, disputed, hits)
    if level is not None:
        depths |= {path: level for path, at in hits.items() if level in at}
    elif disputed:
        if how == "folders" or not everywhere:
            return None
        emotions = sorted({class_key(disputed[0].names()[i]) for i in hits[disputed[0].path]})
        raise AmbiguousFolders(
            f"The folders of '{face_id(disputed[0].path)}' name two emotions, {' and '.join(emotions)}. Keep each image "
            "under one emotion, or use the folder names as classes (--classes folders)."
        )
    if everywhere:
        return depths
    found = {class_key(d.names()[depths[d.path]]) for d in directories if d.path in depths}
    if len(found) < 2 or 2 * sum(images[path] for path in depths) < sum(images.values()):
        return None
    parents = {d.parts[: d.levels[depths[d.path]]] for d in directories if d.path in depths}
    for d in directories:
        if d.path not in depths and (beside := _depth_beside(d, parents)) is not None:
            depths[d.path] = beside
    return depths


def _undisputed_level(
    directories: list[_Directory], disputed: list[_Directory], hits: Mapping[str, list[int]]
) -> int | None:
    """Return the level of emotions if a person is called Joy: all other directories agree on one level, and at every
    other level some folder names no emotion."""
    certain = {at[0] for at in hits.values() if len(at) == 1}
    if len(certain) != 1:
        return None
    level = certain.pop()
    others = {i for d in disputed for i in hits[d.path]} - {level}
    with_strangers = all(
        any(len(d.names()) > i and not find_emotion(d.names()[i]) for d in directories) for i in others
    )
    return level if with_strangers and all(level in hits[d.path] for d in disputed) else None


def _depth_beside(directory: _Directory, parents: set[tuple[str, ...]]) -> int | None:
    """Return the level of a directory that is beside a folder of an emotion; None if it is somewhere else."""
    for depth, position in enumerate(directory.levels):
        if directory.parts[:position] in parents:
            return depth
    return None


def _persons_above(above: list[tuple[str, ...]]) -> Callable[[tuple[str, ...]], str]:
    """Return how the folders above a class name the person.

    Of several levels (persons and sessions), the one with the most names is the person, so that two sessions of a
    person count as one person.
    """
    if len({len(names) for names in above}) == 1 and len(above[0]) > 1:
        level = max(range(len(above[0])), key=lambda i: len({names[i] for names in above}))
        return lambda names: face_id(names[level])
    return lambda names: "/".join(map(face_id, names))


def _below(directories: list[_Directory]) -> dict[str, set[str]] | None:
    """Return the names below each top folder; None if a top folder has images itself and so cannot be a person."""
    if any(len(d.levels) == 1 for d in directories):
        return None
    below: dict[str, set[str]] = defaultdict(set)
    for d in directories:
        upper, lower = d.names()[:2]
        below[upper].add(folded(lower))
    return below


def _upper_level_is_persons(directories: list[_Directory]) -> bool:
    """Whether each of at least two top folders contains the same two or more names."""
    below = _below(directories)
    if below is None or len(below) < 2:
        return False
    repeated = next(iter(below.values()))
    if len(repeated) < 2 or any(lower != repeated for lower in below.values()):
        return False
    return not all(map(find_emotion, below)) or all(map(find_emotion, repeated))


def _not_persons(directories: list[_Directory]) -> Iterator[str]:
    """Explain why top folders that look like persons are classes: one of them lacks a name that the others have."""
    below = _below(directories)
    if below is None or all(map(find_emotion, below)):
        return
    often = {name for name, n in Counter(chain(*below.values())).items() if 2 * n > len(below) and n > 1}
    lacking = next(((upper, min(often - lower)) for upper, lower in below.items() if often - lower), None)
    if len(often) > 1 and lacking:
        upper, name = map(face_id, lacking)
        yield (
            f"The top folders are the classes ({named(map(face_id, below))}). As persons, each would have to contain the "
            f"same folders; '{upper}' has no '{name}'."
        )


def _refuse_equal_names(spots: Iterable[_Spot], where: str) -> None:
    seen: dict[tuple[tuple[str, ...], str], str] = {}
    for spot in spots:
        if (other := seen.setdefault((spot.above, folded(spot.folder)), spot.folder)) != spot.folder:
            raise DataError(
                f"{where}: the names of the folders '{face_id(other)}' and '{face_id(spot.folder)}' differ only in case or "
                "Unicode form. Merge them into one folder, or rename one."
            )


def _emotion_classes(spots: Iterable[_Spot]) -> dict[str, str]:
    """Return the class of each folder name.

    Sibling folders of the same emotion keep their own names; loading refuses them unless a class map merges them.
    """
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
    """Return one name for folders of different splits that differ only in case: the first in sorted order."""
    first: dict[str, str] = {}
    return {folder: first.setdefault(folded(folder), face_id(folder)) for folder in sorted(folders)}


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (folded(name), name))


def _fallback(spots: Iterable[_Spot], how: ClassReading, by_emotion: bool) -> Iterator[str]:
    """Explain why a few folders among emotions make all classes keep their own names."""
    folders = {folded(spot.folder): face_id(spot.folder) for spot in spots}
    others = [name for key, name in folders.items() if not find_emotion(key)]
    if how == "auto" and not by_emotion and len(others) < len(folders) - len(others):
        one = len(others) == 1
        yield (
            f"Not all folders name an emotion ({named(_sorted(others))} {'does' if one else 'do'} not), so the classes are "
            f"the folders' own names. To exclude {'it' if one else 'them'}, give --classes emotions."
        )


def _persons(spots: Iterable[_Spot], classes: ClassList, by_emotion: bool) -> Iterator[str]:
    persons = Counter(spot.person for spot in spots if spot.person)
    if persons:
        other = "" if by_emotion else " If the upper folders are the classes, give the folders in them different names."
        yield (
            f"Persons or sessions: {len(persons):,} folders ({named(_sorted(persons))}); classes: the folders in them "
            f"({', '.join(classes[:10])}{', …' if len(classes) > 10 else ''}).{other}"
        )
