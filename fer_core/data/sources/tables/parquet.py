"""Reads parquet files with an image column, as Hugging Face writes them: images as file bytes, labels as numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final

from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import ClassReading, Parsed, Progress, UnreadableFile, face_id
from fer_core.data.sources.image_files import Decode
from fer_core.data.sources.tables.face_csv import parse_pixels
from fer_core.data.sources.tables.labels import Label, parse_label
from fer_core.data.sources.tables.rows import Rows
from fer_core.errors import DataError, UnreadableImage
from fer_core.formatting import display_safe
from fer_core.images import FACE_LIMITS

MAGIC: Final = b"PAR1"
_IMAGE_COLUMNS: Final = ("image", "img", "pixels", "face", "picture", "photo")
_LABEL_COLUMNS: Final = ("label", "labels", "emotion", "expression", "class")
_SPLIT_COLUMNS: Final = ("usage", "split")
_ROWS_AT_ONCE: Final = 64
_MAX_ROW_GROUP: Final = 4 << 30  # bytes, uncompressed

OpenFile = Callable[[], IO[bytes]]


def read_parquet(
    files: Sequence[tuple[str, OpenFile]],
    where: str,
    how: ClassReading,
    on_progress: Progress | None,
    decode: Decode,
) -> Parsed:
    """Read the faces of one or more parquet files.

    A column of images has the bytes of image files (or a struct with a field ``bytes``); a column ``pixels`` of text
    is read as in ``fer2013.csv``. Labels are numbers with names in the metadata of Hugging Face, or text. The split is
    a column ``usage`` or ``split``, or the start of the file name (``train-00000-of-00001.parquet``).

    Args:
        files: name of each file, and how to open it.
        where: name of the source in messages.
        how: how labels become classes.
        on_progress: called with (rows done, total rows).
        decode: turns the bytes of an image into a face.

    Raises:
        DataError: a file is damaged, has no columns of faces, or the labels give no classes.
    """
    rows = Rows(where)
    total = done = 0
    split_known = False
    for name, open_file in files:
        with _opened(name, where, open_file) as table:
            total += table.metadata.num_rows
    for name, open_file in files:
        with _opened(name, where, open_file) as table:
            columns = _Columns.find(table, f"{where}: {face_id(name)}" if len(files) > 1 else where)
            named_split = _split_of(name)
            split_known = split_known or columns.split is not None or named_split is not None
            prefix = f"{face_id(name)} " if len(files) > 1 else ""
            at = 0
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns.names):
                for record in batch.to_pylist():
                    _add(rows, columns, record, f"{prefix}row {at}", named_split or "train", decode)
                    at += 1
                done += batch.num_rows
                if on_progress is not None:
                    on_progress(done, max(done, total))
    notes = () if split_known else ("The file has no column usage or split: all its faces count as train.",)
    return rows.parsed(how, notes)


@contextmanager
def _opened(name: str, where: str, open_file: OpenFile) -> Iterator[Any]:
    """Open a parquet file; whatever pyarrow raises in the block counts as damage of the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file() as stream, pq.ParquetFile(stream) as table:
            groups = (table.metadata.row_group(i) for i in range(table.metadata.num_row_groups))
            if any(group.total_byte_size > _MAX_ROW_GROUP for group in groups):
                raise DataError(
                    f"{where}: {face_id(name)} has a row group of more than 4 GB. Write smaller row groups."
                )
            yield table
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{where}: {face_id(name)} is damaged or not a parquet file. Download or copy it again."
        ) from error


class _Columns:
    """The columns of a table of faces."""

    def __init__(self, image: str, label: str, split: str | None, names: list[str] | None, is_text: bool) -> None:
        self.image, self.label, self.split = image, label, split
        self.class_names, self.is_text = names, is_text

    @property
    def names(self) -> list[str]:
        return [name for name in (self.image, self.label, self.split) if name is not None]

    @classmethod
    def find(cls, table: Any, where: str) -> _Columns:
        import pyarrow as pa

        schema = table.schema_arrow
        by_name = {name.strip().lower(): name for name in schema.names}
        label = next((by_name[name] for name in _LABEL_COLUMNS if name in by_name), None)
        image = next((by_name[name] for name in _IMAGE_COLUMNS if name in by_name), None)
        if image is not None:
            kind = schema.field(image).type
            is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
            is_struct = pa.types.is_struct(kind) and "bytes" in {field.name for field in kind}
            if not (is_text or is_bytes or is_struct):
                image = None
        if label is None or image is None:
            found = display_safe(", ".join(schema.names)[:80])
            raise DataError(
                f"{where} is not a table of faces: expected a column of images with file bytes (image) and one of "
                f"labels (label or emotion); found {found}."
            )
        split = next((by_name[name] for name in _SPLIT_COLUMNS if name in by_name), None)
        return cls(image, label, split, _class_names(schema, label), is_text)


def _class_names(schema: Any, label: str) -> list[str] | None:
    """Return the class names in the metadata of Hugging Face; None if there are none."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = info["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if isinstance(names, dict):
        names = list(names.values())
    return [str(name) for name in names] if isinstance(names, list) else None


def _split_of(name: str) -> SplitName | None:
    """``data/train-00000-of-00001.parquet`` -> ``train``."""
    file = name.rpartition("/")[2].partition(".")[0]
    return find_split(file.partition("-")[0])


def _add(rows: Rows, columns: _Columns, record: dict[str, Any], row: str, split: SplitName, decode: Decode) -> None:
    try:
        label = _label(record[columns.label], columns.class_names)
        if columns.split is not None:
            stated = find_split(str(record[columns.split]))
            if stated is None:
                raise UnreadableFile(
                    f"has the usage '{display_safe(str(record[columns.split])[:20])}', expected train, valid or test"
                )
            split = stated
        value = record[columns.image]
        if columns.is_text:
            face = parse_pixels(str(value))
        else:
            data = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(data, bytes):
                raise UnreadableFile("has no image bytes; only a path, perhaps")
            FACE_LIMITS.check_bytes(len(data))
            face = decode(data)
    except UnreadableFile as fault:
        rows.unreadable.append((row, str(fault)))
    except UnreadableImage as fault:
        rows.unreadable.append((row, fault.reason))
    else:
        rows.add(face, label, split, row)


def _label(value: object, names: list[str] | None) -> Label:
    if value is None or isinstance(value, (bytes, dict, list)):
        raise UnreadableFile("has no label")
    if names is not None and isinstance(value, int):
        if not 0 <= value < len(names):
            raise UnreadableFile(f"has the label {value}, but the file names {len(names)} classes")
        return names[value]
    return parse_label(str(value))
