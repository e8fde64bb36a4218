"""Predicts the faces of photos and folders, for the Upload page and ``predict``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import DataError, FerError, ImageError
from fer_core.faces.crop import Square, crop_box, crop_squares
from fer_core.faces.detector import Face, FaceDetector
from fer_core.formatting import display_safe, valid_utf8
from fer_core.images import PHOTO_SUFFIXES, Photo, read_photo
from fer_core.images.walk import Skipped, SkipReason, describe_skipped, walk_folder
from fer_core.inference import Classifier
from fer_core.jobs.workers import in_processes
from fer_core.photos.parts import PartFormat, ResultParts
from fer_core.photos.remote import is_address, list_photos, read_bytes
from fer_core.photos.result import FacePrediction, PhotoResult
from fer_core.photos.table import ResultTable

Compute = Callable[[Sequence[str | Path], FaceDetector, Classifier], Generator[PhotoResult]]
"""Yields a result for each file, in order; see :func:`in_this_process`."""

_MOST_FILES: Final = 5_000_000  # in one folder


def predict_squares(
    image: npt.NDArray[np.generic],
    squares: Sequence[Square],
    classifier: Classifier,
    faces: Sequence[Face] | None = None,
) -> tuple[FacePrediction, ...]:
    """Classify regions of an image in one batch.

    Args:
        image: uint8, gray (H, W) or RGB (H, W, 3).
        squares: the regions: ``crop_box(face)`` of a detected face, ``square_around(*box)`` of a box marked by hand.
        classifier: the network.
        faces: the detected faces of the squares, in the same order, if a detector found them.

    Raises:
        ImageError: a square does not touch the image.
    """
    crops = crop_squares(image, squares)
    probabilities = classifier.probabilities(crops)
    sources = faces if faces is not None else [None] * len(squares)
    return tuple(
        FacePrediction(
            square,
            crop,
            classifier.classes,
            row,
            bool(row.max() < classifier.abstain_below or (face and face.is_doubtful)),
            face,
        )
        for square, crop, row, face in zip(squares, crops, probabilities, sources, strict=True)
    )


def predict_image(photo: Photo, detector: FaceDetector, classifier: Classifier, file: str = "") -> PhotoResult:
    """Detect and classify the faces of a decoded photo; the result may contain no face."""
    faces = detector.detect(photo.rgb)
    predictions = predict_squares(photo.rgb, [crop_box(face) for face in faces], classifier, faces)
    return PhotoResult(valid_utf8(file), photo.width, photo.height, predictions, photo.notes)


def predict_file(path: str | Path, detector: FaceDetector, classifier: Classifier) -> PhotoResult:
    """Read a photo, detect and classify its faces; errors are stored in the result's ``error``, not raised."""
    file = valid_utf8(path)
    try:
        photo = read_photo(read_bytes(str(path)), file) if is_address(path) else read_photo(path)
        return predict_image(photo, detector, classifier, file)
    except FerError as error:
        return PhotoResult(file, error=" ".join(str(error).split()))
    except Exception as error:  # an internal error must not stop the other photos
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return PhotoResult(file, error=f"Internal error on this file ({reason}); please report it.")


def predict_paths(
    paths: Iterable[str | Path] | FoundPhotos,
    detector: FaceDetector,
    classifier: Classifier,
    *,
    csv: str | Path | None = None,
    model_name: str = "",
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    compute: Compute | None = None,
    parts: str | Path | None = None,
    part_format: PartFormat = "parquet",
) -> Iterator[PhotoResult]:
    """Predict photos and folders with their subfolders, one by one, in the order of :func:`find_photos`.

    A file that cannot be read yields a result with its ``error``; the others continue.

    Args:
        paths: files, folders, and addresses such as ``s3://bucket/folder``; or what :func:`look_for_photos` found in them.
        detector: the face detector.
        classifier: the network.
        csv: a table written along the way, see :class:`fer_core.photos.table.ResultTable`. Photos it already contains are
            skipped and not yielded.
        model_name: written into the table; a table of another model raises an error.
        on_progress: called with (done, total) before the first photo and after each one, including those in the table.
        should_stop: called before each photo; finished photos stay in the table.
        compute: where to predict; None is :func:`in_this_process`.
        parts: instead of ``csv``, a folder of tables, see :class:`fer_core.photos.parts.ResultParts`.
        part_format: format of the parts.

    Raises:
        ImageError: a path does not exist, there is no photo, or the table is another kind of file. Raised by the call
            itself, before anything is written.
        WorkspaceError: the table cannot be written (while iterating: the disk is full).
    """
    files = list(paths.files) if isinstance(paths, FoundPhotos) else find_photos(paths)
    table: ResultTable | ResultParts | None = None
    if csv is not None:
        table = ResultTable(Path(csv), classifier.labels, model_name, classifier.sensitivity)
    elif parts is not None:
        table = ResultParts(Path(parts), classifier.labels, model_name, classifier.sensitivity, part_format)
    return _predict_files(files, detector, classifier, table, on_progress, should_stop, compute or in_this_process)


def _predict_files(
    files: list[str | Path],
    detector: FaceDetector,
    classifier: Classifier,
    table: ResultTable | ResultParts | None,
    on_progress: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool] | None,
    compute: Compute,
) -> Iterator[PhotoResult]:
    known = table.done if table else frozenset()
    left = [file for file in files if valid_utf8(file) not in known]
    done = len(files) - len(left)
    if on_progress:
        on_progress(done, len(files))
    with table or nullcontext(), closing(compute(left, detector, classifier)) as results:
        while not (should_stop and should_stop()) and (result := next(results, None)) is not None:
            if table:
                table.write(result)
            done += 1
            if on_progress:
                on_progress(done, len(files))
            yield result


def in_this_process(
    files: Sequence[str | Path], detector: FaceDetector, classifier: Classifier
) -> Generator[PhotoResult]:
    """Yield a result for each file, in order."""
    for file in files:
        yield predict_file(file, detector, classifier)


def in_worker_processes(workers: int) -> Compute:
    """Return a function that predicts files in several processes, each with one thread.

    The classifier must come from a file, and a script must be guarded by ``if __name__ == "__main__"``, because each process imports
    it. The function raises a WorkerError if the processes do not start.
    """

    def compute(files: Sequence[str | Path], detector: FaceDetector, classifier: Classifier) -> Generator[PhotoResult]:
        return in_processes(_predict_in_process, (detector, classifier), files, workers, lost=_lost)

    return in_this_process if workers == 1 else compute


def _predict_in_process(shared: tuple[FaceDetector, Classifier], file: str | Path) -> PhotoResult:
    return predict_file(file, *shared)


def _lost(file: str | Path) -> PhotoResult:
    return PhotoResult(
        valid_utf8(file),
        error="The process that read this file was ended several times, perhaps for want of memory. Reduce the file, or "
        "try again on an idle machine.",
    )


@dataclass(frozen=True)
class FoundPhotos:
    """The photos in files and folders.

    Attributes:
        files: the photos, each once: paths, and addresses as text.
        skipped: everything else in the folders, by its path, with the reason.
    """

    files: tuple[str | Path, ...]
    skipped: tuple[Skipped, ...]

    @property
    def notes(self) -> list[str]:
        """A sentence for each reason, with the number and the first names."""
        return describe_skipped(self.skipped)


def look_for_photos(paths: Iterable[str | Path], *, keep_missing: bool = False) -> FoundPhotos:
    """Find the files as given, and from folders and subfolders, sorted, those with an image file extension.

    The extensions are :data:`fer_core.images.PHOTO_SUFFIXES`. Hidden files are skipped. Linked folders are read once.

    Args:
        paths: files, folders and addresses.
        keep_missing: keep paths that do not exist, so that each gets a result with its error, as suits a long list.

    Raises:
        ImageError: a path does not exist, a folder cannot be read, or there is no image at all.
    """
    given = [str(path) if is_address(path) else Path(path) for path in paths]
    found: dict[str, str | Path] = {}
    skipped: list[Skipped] = []
    for path in given:
        if isinstance(path, str):
            if (
                keep_missing and PurePosixPath(path).suffix.lower() in PHOTO_SUFFIXES
            ):  # no request for each line of a list
                found[path] = path
                continue
            photos, not_photos = list_photos(path)
            found.update((photo, photo) for photo in photos)
            skipped += not_photos
            continue
        exists = _exists(path)
        if not exists and not keep_missing:
            raise ImageError(f"There is no file or folder '{display_safe(path)}'. Give photos, or folders of photos.")
        for file in _walk(path, skipped) if exists and path.is_dir() else [path]:
            found.setdefault(os.path.abspath(file), file)
    if not found:
        places = ", ".join(f"'{display_safe(path)}'" for path in given) or "nothing"
        others = " ".join(describe_skipped(skipped))
        raise ImageError(
            f"There is no image in {places}; expected {', '.join(sorted(PHOTO_SUFFIXES))}. {others}".strip()
        )
    return FoundPhotos(tuple(found.values()), tuple(skipped))


def read_path_list(file: str | Path) -> list[str]:
    """Read the lines of a text file, each a path or an address; empty lines are skipped.

    Args:
        file: a UTF-8 file, or ``-`` for standard input.

    Raises:
        ImageError: the file cannot be read, is not text, or has no line.
    """
    shown = "standard input" if str(file) == "-" else f"'{display_safe(file)}'"
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else Path(file).read_bytes()
        if b"\0" in content:
            raise ValueError("binary")
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise ImageError(f"The list {shown} cannot be read ({error.strerror or error}).") from error
    except ValueError as error:  # not UTF-8, or a null character in the name
        raise ImageError(f"The list {shown} is not a UTF-8 text file with one path or address per line.") from error
    found = [line for line in lines if line.strip()]
    if not found:
        raise ImageError(f"The list {shown} has no path; expected a text file with one path or address per line.")
    return found


def find_photos(paths: Iterable[str | Path]) -> list[str | Path]:
    """Return the files of :func:`look_for_photos`.

    Raises:
        ImageError: as :func:`look_for_photos`.
    """
    return list(look_for_photos(paths).files)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # name too long, or a null character
        return False


def _walk(folder: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """Yield the photos in a folder, and add everything else to ``skipped``."""
    try:
        walked = walk_folder(folder, _MOST_FILES)
    except DataError as error:
        raise ImageError(str(error)) from error
    outside: SkipReason = "links to files outside the folder"  # refused in data sets, but photos may be anywhere
    linked = [one.name for one in walked.skipped if one.reason == outside]
    skipped += [Skipped(valid_utf8(folder / one.name), one.reason) for one in walked.skipped if one.reason != outside]
    for name in [*walked.files, *linked]:
        suffix = Path(name).suffix.lower()
        if suffix in PHOTO_SUFFIXES:
            yield folder / name
        else:
            reason: SkipReason = "files that are not images" if suffix else "files without a file extension"
            skipped.append(Skipped(valid_utf8(folder / name), reason))
