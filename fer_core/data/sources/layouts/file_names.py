"""Labels in file names, for data sets that have no folders of emotions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fer_core.data.sources.layouts.labeled import LabeledImages, Source, label_by_emotion


def label_by_file_name(
    source: Source, pattern: re.Pattern[str], emotions: Mapping[str, str], name: str
) -> LabeledImages | None:
    """Label images by their file names; None unless at least nine tenths of all images match.

    Args:
        source: the source.
        pattern: matches a file name without folders; its groups ``person`` and ``code`` name the person and the
            emotion.
        emotions: the emotion of each code, in upper case.
        name: the data set's name, for people.

    Raises:
        DataError: the names have fewer than two emotions.
    """
    if source.how not in ("auto", "emotions"):
        return None
    matches = {image: match for image in source.images if (match := pattern.fullmatch(image.rpartition("/")[2]))}
    if not matches or 10 * len(matches) < 9 * len(source.images):
        return None
    return label_by_emotion(
        source,
        {image: emotions[match["code"].upper()] for image, match in matches.items()},
        f"The labels and persons were read from {name}'s file names.",
        groups={image: match["person"].upper() for image, match in matches.items()},
    )
