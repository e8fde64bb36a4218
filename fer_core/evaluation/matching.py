"""A model meets data: its classes and those of the data are matched by name, never by position."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import ConfigError, ModelError
from fer_core.formatting import joined

Ints = npt.NDArray[np.int64]

ExtraClasses = Literal["count", "mask"]
"""What becomes of the model's classes that the data lack: their predictions count, or the model may not choose them."""
EXTRA_CLASSES: Final[tuple[ExtraClasses, ...]] = get_args(ExtraClasses)


@dataclass(frozen=True)
class ClassMatch:
    """The classes of a model beside those of the data.

    Attributes:
        model: in the order of the logits.
        data: in the order of the labels.
        extra: what becomes of the model's classes that the data lack.
        axis: the classes of the result: those in both, named and ordered as the data do, then, unless they are masked,
            the model's others.
        column: for each class of ``axis`` its position in the model's logits.
        label: for each class of the data its position in ``axis``; -1 where the model lacks it.
    """

    model: ClassList
    data: ClassList
    extra: ExtraClasses
    axis: ClassList
    column: tuple[int, ...]
    label: tuple[int, ...]

    @property
    def shared(self) -> tuple[str, ...]:
        """Classes of both, by the data's names."""
        return tuple(name for name, place in zip(self.data, self.label, strict=True) if place >= 0)

    @property
    def extras(self) -> tuple[str, ...]:
        """Classes of the model that the data lack, by the model's names."""
        matched = set(self.column[: len(self.shared)])
        return tuple(name for i, name in enumerate(self.model) if i not in matched)

    @property
    def masked(self) -> tuple[str, ...]:
        """Classes the model was not allowed to choose."""
        return self.extras if self.extra == "mask" else ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Classes of the data that the model lacks; their faces are left out."""
        return tuple(name for name, place in zip(self.data, self.label, strict=True) if place < 0)

    @property
    def complete(self) -> bool:
        """Whether both have the same classes."""
        return not self.extras and not self.unknown

    def axis_labels(self, labels: Ints) -> Ints:
        """Labels of the data, int64 (n,), as positions in ``axis``; -1 for faces whose class the model lacks."""
        return np.array(self.label, dtype=np.int64)[labels]

    def excluded_counts(self, labels: Ints) -> dict[str, int]:
        """How many of the faces with these labels, int64 (n,), are left out, by class."""
        names = Counter(self.data[int(i)] for i in labels if self.label[int(i)] < 0)
        return {name: names[name] for name in self.data if names[name]}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"model": list(self.model), "data": list(self.data), "shared": list(self.shared)}

    def caption(self, excluded: dict[str, int]) -> str:
        """What the reader of a figure must know; empty where model and data have the same classes.

        ``excluded``: number of excluded faces by class.
        """
        parts = []
        if self.masked:
            parts.append(f"The model may choose among the data's classes only (masked: {', '.join(self.masked)}).")
        elif self.extras:
            parts.append(f"The model also predicts classes these data lack, and they count: {', '.join(self.extras)}.")
        if excluded:
            faces = joined([f"{n:,} {name}" for name, n in excluded.items()])
            parts.append(f"Faces of classes the model does not know are left out: {faces}.")
        return " ".join(parts)


def match_classes(model: ClassList, data: ClassList, extra: ExtraClasses = "count") -> ClassMatch:
    """Match the classes of a model and of data: by the same name first, else but for case or by an emotion's alias.

    Raises:
        ModelError: they have no class in common.
        ConfigError: ``extra`` is unknown, or masking leaves the model a single class.
    """
    if extra not in EXTRA_CLASSES:
        raise ConfigError(f"'{extra}' is no way to treat extra classes; choose {' or '.join(EXTRA_CLASSES)}.")
    found = {d: m for d, m in enumerate(data.positions_in(model)) if m is not None}
    if not found:
        raise ModelError(
            f"The model's classes ({', '.join(model)}) and the data's ({', '.join(data)}) have no name in common, so it "
            'cannot be evaluated on them. Rename classes with a class map, e.g. --merge "happy=smiling".'
        )
    shared = sorted(found)
    if extra == "mask" and len(shared) < 2:
        raise ConfigError(
            f"Model and data share only the class '{data[shared[0]]}': with the others masked every answer would be "
            "right. Let the extra classes count."
        )
    others = [m for m in range(len(model)) if m not in found.values()] if extra == "count" else []
    if len(shared) + len(others) < 2:
        raise ModelError(f"Model and data share only the class '{data[shared[0]]}', so there is nothing to tell apart.")
    place = {d: i for i, d in enumerate(shared)}
    return ClassMatch(
        model=model,
        data=data,
        extra=extra,
        axis=ClassList((*(data[d] for d in shared), *(model[m] for m in others))),
        column=(*(found[d] for d in shared), *others),
        label=tuple(place.get(d, -1) for d in range(len(data))),
    )
