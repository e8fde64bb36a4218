"""What is drawn for one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fer_core.classes import ClassList
from fer_core.faces.boxes import Box


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """What is drawn for one face.

    Attributes:
        box: left, top, width, height in pixels of the picture; may reach beyond its edges.
        number: stands before the label.
        classes: C of them; they give names and colors.
        label: position of the predicted class.
        probabilities: one for each class; the bars keep this order.
        abstained: the probability of the label is below the threshold: the caption says "not sure".
    """

    box: Box
    number: int
    classes: ClassList
    label: int
    probabilities: Sequence[float]
    abstained: bool

    def mirrored(self, width: int) -> Mark:
        """The same face in a picture of ``width`` pixels seen as in a mirror."""
        left, top, wide, high = self.box
        return replace(self, box=(width - left - wide, top, wide, high))
