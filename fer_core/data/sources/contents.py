"""Chooses what to read of a folder or archive: labeled images, one csv, or parquet files."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fer_core.data.parsed import ClassReading, Parsed, Progress
from fer_core.data.sources.containers import Container
from fer_core.data.sources.image_files import (
    exclusion_notes,
    find_images,
    is_image_name,
    nothing_found,
    read_images,
)
from fer_core.data.sources.layouts import LAYOUTS, LabeledImages, Source
from fer_core.data.sources.layouts.class_folders import sort_into_classes
from fer_core.data.sources.layouts.labeled import named
from fer_core.data.sources.layouts.numbered import unnamed_numbers_note
from fer_core.data.sources.layouts.takes import MANIFEST
from fer_core.data.sources.photographs import CropChoice, FaceCropper, read_with_crop, refuse_photographs
from fer_core.data.sources.splits import is_split_file
from fer_core.data.sources.tables.face_csv import find_columns, read_csv, read_header
from fer_core.data.sources.tables.parquet import read_parquet
from fer_core.data.sources.vote_files import is_vote_file
from fer_core.errors import AmbiguousFolders, DataError
from fer_core.images import decode_face
from fer_core.images.walk import describe_skipped

_MAX_CSVS = 100
"""Maximum number of files of a container whose first line is examined."""
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".npz", ".csv.gz")


@dataclass(frozen=True)
class Choice:
    """What is read of a folder or archive.

    Attributes:
        where: name of the source in messages.
        classes: how names become classes.
        images: the labeled images, or None.
        tables: names of the csv or the parquet files, if no images are read.
        notes: sentences for the user on what else the container has.
    """

    where: str
    classes: ClassReading
    images: LabeledImages | None
    tables: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The files that are read."""
        return list(self.images.labels) if self.images is not None else list(self.tables)

    def read(self, container: Container, on_progress: Progress | None, crop: CropChoice = "ask") -> Parsed:
        """Read the faces.

        Raises:
            PhotographsFound: the images are not face crops, and ``crop`` is ``ask``.
            DataError: the content cannot be read.
        """
        notes = self.notes
        if self.images is not None:
            if crop == "ask":
                refuse_photographs(container, list(self.images.labels), self.where)
            cropper = FaceCropper() if crop == "faces" else None
            parsed = read_images(container, self.images, self.where, on_progress, cropper or decode_face)
            if cropper is not None:
                parsed = cropper.finish(parsed)
        elif self.tables[0].lower().endswith(".parquet"):
            files = [(name, lambda name=name: container.open(name)) for name in self.tables]
            parsed = read_with_crop(
                crop, self.where, lambda decode: read_parquet(files, self.where, self.classes, on_progress, decode)
            )
        else:
            name = self.tables[0]
            where = f"{self.where}: {name}"
            parsed = read_csv(lambda: container.open(name), container.files[name], where, on_progress, self.classes)
        skipped = describe_skipped(container.skipped)
        return replace(parsed, warnings=(*parsed.warnings, *notes, *skipped))


def choose(container: Container, where: str, classes: ClassReading) -> Choice:
    """Find the faces in a folder or archive.

    In this order: images in a known layout or in folders of emotions (or in any folders, if ``classes`` is
    ``folders``), a csv of faces, parquet files, images in other folders.

    Raises:
        DataError: there are none of these, or the folders give no classes.
    """
    csvs = _find_csvs(container)
    parquets = sorted(name for name in container.files if name.lower().endswith(".parquet"))
    tables = (csvs[0],) if csvs else tuple(parquets)
    notes: list[str] = []
    names, others = find_images(container)
    source = Source(container, names, where, classes)
    found: LabeledImages | None = None
    try:
        found = _find_labels(source)
    except DataError as error:
        if not tables:
            raise
        notes = [f"The images beside {tables[0]} are not a data set: {error}"]
    if found is not None and (found.by_emotion or classes == "folders" or not tables):
        used = {MANIFEST, *csvs, *filter(is_vote_file, others), *filter(is_split_file, others)}
        notes += [f"The images were read, not {csvs[0]}."] if csvs else []
        notes += [] if found.by_emotion else unnamed_numbers_note(source)
        notes += exclusion_notes(found, [name for name in others if name not in used], classes)
        return Choice(where, classes, found, (), tuple(notes))
    if tables:
        notes += [f"{csvs[0]} was read, not {', '.join(csvs[1:4])}."] if csvs[1:] else []
        notes += [f"{csvs[0]} was read, not {parquets[0]}."] if csvs and parquets else []
        notes += [f"{tables[0]} was read, not the images beside it."] if found is not None else []
        if found is None and names and not notes:
            notes += [f"{tables[0]} was read, not the {len(names):,} images beside it: {named(names)}."]
        return Choice(where, classes, None, tables, tuple(notes))
    archives = [name for name in container.files if name.lower().endswith(_ARCHIVES)]
    hint = f" It contains {archives[0]}: give that file itself." if archives else ""
    raise DataError(nothing_found(container, where, classes) + hint)


def _find_labels(source: Source) -> LabeledImages | None:
    """Return the labels by the first layout that fits; folders named after emotions precede labels in file names."""
    folders: LabeledImages | None = None
    problem: DataError | None = None
    for layout in (layout for layout in LAYOUTS if not layout.by_names):
        if (found := layout.find(source)) is not None:
            return found
    try:
        folders = sort_into_classes(source.images, source.how, source.where)
    except AmbiguousFolders:
        raise
    except DataError as error:
        problem = error
    if folders is None or not folders.by_emotion:
        for layout in (layout for layout in LAYOUTS if layout.by_names):
            if (found := layout.find(source)) is not None:
                return found
    if problem is not None:
        raise problem
    return folders


def _find_csvs(container: Container) -> list[str]:
    """Return the files whose first line names the columns of faces: those with a usage first, then the largest."""
    maybe = sorted((n for n in container.files if not is_image_name(n)), key=container.files.__getitem__, reverse=True)
    found = []
    for name in maybe[:_MAX_CSVS]:
        with container.open(name) as stream:
            columns = find_columns(read_header(stream))
        if columns is not None:
            found.append((columns.usage is None, name))
    return [name for _, name in sorted(found, key=lambda item: item[0])]
