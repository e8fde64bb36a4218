"""Takes from files: photos, clips, and folders ``class/take/…``; every picture is judged by the one rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.data.sources.layouts.takes import TakeRecord
from fer_core.errors import DataError, FerError, ImageError
from fer_core.faces import FaceDetector
from fer_core.formatting import display_safe
from fer_core.images import PHOTO_SUFFIXES, VIDEO_SUFFIXES, read_photo
from fer_core.images.walk import is_system_file
from fer_core.preprocess import Faces
from fer_core.teach.features import Progress, Stop, check_stop
from fer_core.teach.judge import FrameFace, judge
from fer_core.teach.takes import MAX_TAKE_FACES, Take, TakeStore, check_classes, new_take

FRAMES_PER_SECOND: Final = 10.0
"""Frames of a clip that are judged per second; of a long clip fewer, so that they are at most :data:`MAX_TAKE_FACES`."""

OnPicture = Callable[[str, FrameFace], None]
"""Called with the name of each picture and what is kept of it."""


@dataclass
class _Judged:
    """The pictures of one take."""

    faces: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def add(self, found: FrameFace) -> None:
        if found.image is not None:
            self.faces.append(found.image)
        elif found.reason is not None:
            self.count(found.reason)

    def count(self, reason: str, n: int = 1) -> None:
        if n:
            self.left_out[reason] = self.left_out.get(reason, 0) + n


@dataclass(frozen=True, eq=False)
class JudgedTakes:
    """Takes that can be added.

    Attributes:
        classes: the classes, in order.
        takes: records with their faces, uint8 (N, 48, 48).
        empty: names of takes without a usable face, with the number of pictures left out by reason.
    """

    classes: tuple[str, ...]
    takes: list[tuple[TakeRecord, Faces]]
    empty: tuple[tuple[str, dict[str, int]], ...]

    def left_out(self) -> dict[str, int]:
        """Return the number of pictures of takes without a usable face, by reason."""
        return _sum(self.empty)


@dataclass(frozen=True)
class TakeFiles:
    """The files of one take to import: one clip, or photos.

    Attributes:
        class_name: the class.
        name: name of the take, for people.
        paths: the files, in order.
    """

    class_name: str
    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        takes: the takes that were added.
        empty: names of takes without a usable face, with the number of pictures left out by reason.
    """

    takes: tuple[Take, ...]
    empty: tuple[tuple[str, dict[str, int]], ...] = ()


def add_files(
    store: TakeStore,
    class_name: str,
    paths: Sequence[str | Path],
    detector: FaceDetector,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    on_picture: OnPicture | None = None,
) -> Imported:
    """Add photos and clips to a class: the photos together are one take, each clip is one.

    Args:
        store: the takes.
        class_name: the class.
        paths: the files.
        detector: finds the faces.
        progress: called with (done, total) pictures.
        stop: returns whether to stop; then nothing is added.
        on_picture: called after each picture.

    Raises:
        DataError: no take has a usable face.
        TrainingError: ``stop`` returned true.
        WorkspaceError: the disk is full or cannot be written.
    """
    files = [Path(path) for path in paths]
    clips = [path for path in files if is_clip(path)]
    photos = tuple(path for path in files if not is_clip(path))
    wanted = (
        [TakeFiles(class_name, photos[0].name if len(photos) == 1 else f"{len(photos)} photos", photos)]
        if photos
        else []
    )
    wanted += [TakeFiles(class_name, path.name, (path,)) for path in clips]
    found = judge_takes(wanted, detector, progress=progress, stop=stop, on_picture=on_picture)
    return Imported(store.add_all((), found.takes, found.left_out()), found.empty)


def import_folder(
    store: TakeStore,
    folder: str | Path,
    detector: FaceDetector,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    on_picture: OnPicture | None = None,
) -> Imported:
    """Add the takes of a folder ``class/take/…``, all or none; see :func:`find_takes`.

    The classes of a set without takes become those of the folder.

    Raises:
        DataError: the folder has no classes, or a class has no usable face.
        TrainingError: ``stop`` returned true.
        WorkspaceError: the disk is full or cannot be written.
    """
    found = judge_folder(folder, detector, progress=progress, stop=stop, on_picture=on_picture)
    return Imported(store.add_all(found.classes, found.takes, found.left_out()), found.empty)


def judge_folder(
    folder: str | Path,
    detector: FaceDetector,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    on_picture: OnPicture | None = None,
) -> JudgedTakes:
    """Return the classes and takes of a folder ``class/take/…``; nothing is written.

    Raises:
        DataError: the folder has no classes, or a class has no usable face.
        TrainingError: ``stop`` returned true.
    """
    wanted = find_takes(folder)
    found = judge_takes(wanted, detector, progress=progress, stop=stop, on_picture=on_picture)
    with_faces = {record.class_name for record, _ in found.takes}
    if lost := [name for name in found.classes if name not in with_faces]:
        raise DataError(
            f"No picture of the class '{lost[0]}' has a usable face{_why(_empty_of(found, wanted, lost[0]))}. "
            "Add other pictures, or remove the class."
        )
    return found


def find_takes(folder: str | Path) -> list[TakeFiles]:
    """Find the takes of a folder: its folders are the classes, folders and clips in them the takes.

    Photos that lie directly in the folder of a class are one take.

    Raises:
        DataError: the folder cannot be read, or has fewer than two or more than eight classes with pictures.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"There is no folder '{display_safe(root)}'. Give a folder with one folder per class.")
    takes: list[TakeFiles] = []
    classes = []
    for path in _entries(root):
        if not path.is_dir():
            continue
        name, inner = display_safe(path.name), _entries(path)
        photos = tuple(one for one in inner if is_photo(one))
        own = [TakeFiles(name, f"{name}/{display_safe(one.name)}", (one,)) for one in inner if is_clip(one)]
        own += [TakeFiles(name, name, photos)] if photos else []
        for one in inner:
            if one.is_dir():
                pictures = [p for p in _entries(one) if is_photo(p) or is_clip(p)]
                where = f"{name}/{display_safe(one.name)}"
                own += [TakeFiles(name, where, tuple(pictures))] if pictures else []
        takes += own
        classes += [name]
        if not own:
            raise DataError(f"The folder of the class '{name}' has no photos or clips. Add some, or remove the folder.")
    if not classes:
        raise DataError(
            f"'{display_safe(root)}' has no folders. Expected one folder per class, with a folder or a clip for each take."
        )
    check_classes(classes)
    return takes


def judge_takes(
    wanted: Sequence[TakeFiles],
    detector: FaceDetector,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    on_picture: OnPicture | None = None,
) -> JudgedTakes:
    """Judge the pictures of takes; nothing is written.

    Of a take with more than :data:`MAX_TAKE_FACES` pictures, that many are judged, evenly spread.

    Raises:
        DataError: no take has a usable face.
        TrainingError: ``stop`` returned true.
    """
    sizes = [_size(take) for take in wanted]
    total, done = sum(sizes), 0
    takes: list[tuple[TakeRecord, Faces]] = []
    empty: list[tuple[str, dict[str, int]]] = []
    for take, size in zip(wanted, sizes, strict=True):
        judged = _Judged()
        for seen, (name, found) in enumerate(_judge_all(take, detector, judged), 1):
            check_stop(stop)
            judged.add(found)
            if on_picture:
                on_picture(name, found)
            if progress:
                progress(min(done + seen, done + size), total)
        done += size
        if judged.faces:
            takes.append(new_take(take.class_name, np.stack(judged.faces), judged.left_out, take.name))
        else:
            empty.append((take.name, judged.left_out))
    if not takes:
        raise DataError(f"No picture has a usable face{_why(empty)}. Choose others.")
    return JudgedTakes(tuple(dict.fromkeys(take.class_name for take in wanted)), takes, tuple(empty))


def is_clip(path: Path) -> bool:
    """Whether a file is read as a clip, by its extension."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_photo(path: Path) -> bool:
    """Whether a file is read as a photo, by its extension."""
    return path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()


def _entries(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"The folder {display_safe(folder)} cannot be read ({error.strerror}).") from error
    return [path for path in found if not path.name.startswith(".") and not is_system_file(path.name)]


def _size(take: TakeFiles) -> int:
    """Return the approximate number of pictures that are judged."""
    photos = sum(not is_clip(path) for path in take.paths)
    return min(photos, MAX_TAKE_FACES) + 40 * (len(take.paths) - photos)


def _judge_all(take: TakeFiles, detector: FaceDetector, judged: _Judged) -> Iterator[tuple[str, FrameFace]]:
    photos = [path for path in take.paths if not is_clip(path)]
    if len(photos) > MAX_TAKE_FACES:
        judged.count("over the limit", len(photos) - MAX_TAKE_FACES)
        photos = [photos[i] for i in np.linspace(0, len(photos) - 1, MAX_TAKE_FACES).round().astype(int)]
    for path in photos:
        try:
            yield path.name, judge(read_photo(path).rgb, detector)
        except ImageError:
            yield path.name, FrameFace(None, "unreadable")
    for path in (path for path in take.paths if is_clip(path)):
        yield from _judge_clip(path, detector)


def _judge_clip(path: Path, detector: FaceDetector) -> Iterator[tuple[str, FrameFace]]:
    """Judge frames of a clip at equal distances; a clip that cannot be read is one unreadable picture."""
    from fer_core.live.media.reader import VideoReader

    try:
        with VideoReader(path) as reader:
            step = max(1 / FRAMES_PER_SECOND, (reader.duration or 0) / MAX_TAKE_FACES)
            due, n = 0.0, 0
            for item in reader.items():
                if not isinstance(item, tuple):
                    continue
                seconds, frame = item
                if n >= MAX_TAKE_FACES:  # a clip that does not state its duration
                    return
                if seconds + 1e-6 < due:
                    continue
                due, n = max(due + step, seconds), n + 1
                yield f"{path.name} at {seconds:.1f} s", judge(frame, detector, fast=True)
    except FerError:
        yield path.name, FrameFace(None, "unreadable")


def _empty_of(found: JudgedTakes, wanted: Sequence[TakeFiles], name: str) -> list[tuple[str, dict[str, int]]]:
    own = {take.name for take in wanted if take.class_name == name}
    return [one for one in found.empty if one[0] in own]


def _sum(empty: Sequence[tuple[str, dict[str, int]]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for _, counts in empty:
        for reason, n in counts.items():
            total[reason] = total.get(reason, 0) + n
    return total


def _why(empty: Sequence[tuple[str, dict[str, int]]]) -> str:
    """Return the reasons for which pictures were left out, in parentheses; empty without any."""
    total = _sum(empty)
    return f" ({', '.join(f'{reason}: {n:,}' for reason, n in total.items())})" if total else ""
