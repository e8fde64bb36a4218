"""The annotation of one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fer_core.classes import ClassList
from fer_core.faces.boxes import Box


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """The annotation of one face.

    Attributes:
        box: left, top, width, height in pixels of the image; may extend beyond its edges.
        number: number in front of the label.
        classes: C classes with names and colors.
        label: index of the predicted class.
        probabilities: C probabilities, in the order of the classes.
        abstained: whether the label's probability is below the threshold, so the caption is "not sure".
    """

    box: Box
    number: int
    classes: ClassList
    label: int
    probabilities: Sequence[float]
    abstained: bool

    def mirrored(self, width: int) -> Mark:
        """The same face in the horizontally flipped image, which is ``width`` pixels wide."""
        left, top, wide, high = self.box
        return replace(self, box=(width - left - wide, top, wide, high))
