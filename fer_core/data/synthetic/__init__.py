"""The built-in data set of synthetic faces."""

from fer_core.data.synthetic.generator import (
    DEFAULT_COUNT,
    MAX_COUNT,
    MIN_COUNT,
    VERSION,
    draw_face,
    make_dataset,
    parse_source,
    write_faces,
)

__all__ = [
    "DEFAULT_COUNT",
    "MAX_COUNT",
    "MIN_COUNT",
    "VERSION",
    "draw_face",
    "make_dataset",
    "parse_source",
    "write_faces",
]
