"""What of a folder or zip is read: images in folders of classes, or one csv."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fer_core.data.parsed import ClassReading, Parsed, Progress
from fer_core.data.sources.containers.container import Container
from fer_core.data.sources.image_folder import (
    FoundImages,
    find_images,
    is_image_name,
    left_out_notes,
    nothing_found,
    read_images,
)
from fer_core.data.sources.layouts.class_folders import ClassFolders
from fer_core.data.sources.tables.face_csv import find_columns, read_csv, read_header
from fer_core.data.sources.vote_files import is_vote_file
from fer_core.errors import DataError

_MAX_CSVS = 100
"""Most files of a container whose first line is looked at."""


@dataclass(frozen=True)
class Choice:
    """What of a folder or zip is read: images in folders of classes, or one csv."""

    where: str
    classes: ClassReading
    images: ClassFolders | None
    """None where a csv is read."""
    csv: str | None
    notes: tuple[str, ...]
    """What else there was, for the user."""

    @property
    def names(self) -> list[str]:
        """The files that are read."""
        return list(self.images.labels) if self.images is not None else [self.csv or ""]

    def read(self, container: Container, on_progress: Progress | None) -> Parsed:
        """Read the faces."""
        if self.images is not None:
            parsed = read_images(container, self.images, self.where, on_progress)
        else:
            name = self.csv or ""
            where = f"{self.where}: {name}"
            parsed = read_csv(lambda: container.open(name), container.files[name], where, on_progress, self.classes)
        return replace(parsed, warnings=(*container.warnings, *parsed.warnings, *self.notes))


def choose(container: Container, where: str, classes: ClassReading) -> Choice:
    """Find the faces in a folder or zip. Images in folders of emotions, or in any if folders were asked for, go before
    csv files, and these before other images.

    Raises:
        DataError: there are neither, or the folders make no classes.
    """
    csvs = _find_csvs(container)
    notes: list[str] = []
    try:
        found = find_images(container, classes, where)
    except DataError as error:
        if not csvs:
            raise
        found = FoundImages(None, ())
        notes = [f"The images beside {csvs[0]} are no data set: {error}"]
    if found.folders is not None and (found.folders.by_emotion or classes == "folders" or not csvs):
        others = tuple(name for name in found.others if name not in csvs and not is_vote_file(name))
        notes += [f"The images were read, not {csvs[0]}."] if csvs else []
        notes += left_out_notes(FoundImages(found.folders, others), container.hidden, classes)
        return Choice(where, classes, found.folders, None, tuple(notes))
    if csvs:
        notes += [f"{csvs[0]} was read, not {', '.join(csvs[1:4])}."] if csvs[1:] else []
        notes += [f"{csvs[0]} was read, not the images beside it."] if found.folders is not None else []
        return Choice(where, classes, None, csvs[0], tuple(notes))
    zips = [name for name in container.files if name.lower().endswith(".zip")]
    hint = f" It holds {zips[0]}: give that file itself." if zips else ""
    raise DataError(nothing_found(container, where, classes) + hint)


def _find_csvs(container: Container) -> list[str]:
    """Files whose first line names the columns of faces; those with a usage first, then the largest."""
    maybe = sorted((n for n in container.files if not is_image_name(n)), key=container.files.__getitem__, reverse=True)
    found = []
    for name in maybe[:_MAX_CSVS]:
        with container.open(name) as stream:
            columns = find_columns(read_header(stream))
        if columns is not None:
            found.append((columns.usage is None, name))
    return [name for _, name in sorted(found, key=lambda item: item[0])]
