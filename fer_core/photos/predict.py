"""From a photograph, or a folder of them, to faces with probabilities: what the upload page and ``predict`` do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError, ImageError
from fer_core.faces.crop import Square, crop_box, crop_squares
from fer_core.faces.detector import Face, FaceDetector
from fer_core.formatting import display_safe, valid_utf8
from fer_core.images import PHOTO_SUFFIXES, Photo, read_photo
from fer_core.inference import Classifier
from fer_core.photos.result import FacePrediction, PhotoResult
from fer_core.photos.table import ResultTable


def predict_squares(
    image: npt.NDArray[np.generic],
    squares: Sequence[Square],
    classifier: Classifier,
    faces: Sequence[Face] | None = None,
) -> tuple[FacePrediction, ...]:
    """Classify regions of an image, all in one batch.

    Args:
        image: uint8, grey (H, W) or RGB (H, W, 3).
        squares: Regions; of a face found, ``crop_box(face)``, of a box marked by hand, ``square_around(*box)``.
        classifier: The network.
        faces: The faces the squares were made from, in the same order, where a detector found them.

    Raises:
        ImageError: a square does not touch the image.
    """
    crops = crop_squares(image, squares)
    probabilities = classifier.probabilities(crops)
    sources = faces if faces is not None else [None] * len(squares)
    return tuple(
        FacePrediction(square, crop, classifier.classes, row, bool(row.max() < classifier.abstain_below), face)
        for square, crop, row, face in zip(squares, crops, probabilities, sources, strict=True)
    )


def predict_image(photo: Photo, detector: FaceDetector, classifier: Classifier, file: str = "") -> PhotoResult:
    """Find and classify the faces of a decoded photograph. Where there is none, none is reported."""
    faces = detector.detect(photo.rgb)
    predictions = predict_squares(photo.rgb, [crop_box(face) for face in faces], classifier, faces)
    return PhotoResult(valid_utf8(file), photo.width, photo.height, predictions, photo.notes)


def predict_file(path: str | Path, detector: FaceDetector, classifier: Classifier) -> PhotoResult:
    """Read, find and classify; whatever goes wrong stands in the result's ``error`` and is not raised."""
    file = valid_utf8(path)
    try:
        return predict_image(read_photo(path), detector, classifier, file)
    except FerError as error:
        return PhotoResult(file, error=" ".join(str(error).split()))
    except Exception as error:  # a defect of ours must not cost the other photographs
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return PhotoResult(file, error=f"A defect of this program met this file ({reason}); please report it.")


def predict_paths(
    paths: Iterable[str | Path],
    detector: FaceDetector,
    classifier: Classifier,
    *,
    csv: str | Path | None = None,
    model_name: str = "",
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[PhotoResult]:
    """Results of photographs and folders (with their sub-folders), one by one, in the order of :func:`find_photos`.

    A file that cannot be read yields a result with its ``error``; the others go on.

    Args:
        paths: Files and folders.
        detector: Finds the faces.
        classifier: Names their expressions.
        csv: A table written as the work goes on, see :class:`fer_core.photos.table.ResultTable`. Photographs that
            stand in it already are not worked on and not yielded again.
        model_name: Written into the table; a table of another model is refused.
        on_progress: Called with (done, total) before the first photograph and after each, those in the table included.
        should_stop: Asked before each photograph; what is done stays in the table.

    Raises:
        ImageError: a path does not exist, there is no photograph, or the table is another kind of file. Raised by the
            call itself, before anything is written.
        WorkspaceError: the table cannot be written (while iterating: the disk is full).
    """
    files = find_photos(paths)
    table = ResultTable(Path(csv), classifier.labels, model_name, classifier.sensitivity) if csv is not None else None
    return _predict_files(files, detector, classifier, table, on_progress, should_stop)


def _predict_files(
    files: list[Path],
    detector: FaceDetector,
    classifier: Classifier,
    table: ResultTable | None,
    on_progress: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool] | None,
) -> Iterator[PhotoResult]:
    known = table.done if table else frozenset()
    left = [file for file in files if valid_utf8(file) not in known]
    done = len(files) - len(left)
    if on_progress:
        on_progress(done, len(files))
    with table or nullcontext():
        for file in left:
            if should_stop and should_stop():
                return
            result = predict_file(file, detector, classifier)
            if table:
                table.write(result)
            done += 1
            if on_progress:
                on_progress(done, len(files))
            yield result


def find_photos(paths: Iterable[str | Path]) -> list[Path]:
    """The files meant by ``paths``, each once: files as given, then of a folder and its sub-folders the files whose
    name ends like a picture's (:data:`fer_core.images.PHOTO_SUFFIXES`), sorted; hidden ones are left out.

    Raises:
        ImageError: a path does not exist, a folder cannot be read, or there is no picture at all.
    """
    given = [Path(path) for path in paths]
    found: dict[str, Path] = {}
    for path in given:
        if not _exists(path):
            raise ImageError(
                f"There is no file or folder '{display_safe(path)}'. Give photographs, or folders of them."
            )
        for file in _walk(path) if path.is_dir() else [path]:
            found.setdefault(os.path.abspath(file), file)
    if not found:
        places = ", ".join(f"'{display_safe(path)}'" for path in given) or "nothing"
        raise ImageError(f"There is no picture in {places}; looked for {', '.join(sorted(PHOTO_SUFFIXES))}.")
    return list(found.values())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, a null character
        return False


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        place = display_safe(error.filename or folder)
        raise ImageError(f"The folder '{place}' cannot be read ({error.strerror}).") from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES:
                yield Path(place, name)
