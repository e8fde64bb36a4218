"""Matching the classes of a model and of data by name, never by position."""

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
"""How to treat the model's classes that the data lack: ``count`` their predictions or ``mask`` them."""
EXTRA_CLASSES: Final[tuple[ExtraClasses, ...]] = get_args(ExtraClasses)


@dataclass(frozen=True)
class ClassMatch:
    """Match between the classes of a model and of data.

    Attributes:
        model: classes of the model, in the order of the logits.
        data: classes of the data, in the order of the labels.
        extra: how to treat the model's classes that the data lack.
        axis: classes of the result: the shared ones with the data's names and order, then the model's extra classes
            unless they are masked.
        column: position in the model's logits of each class of ``axis``.
        label: position in ``axis`` of each class of the data; -1 if the model lacks it.
    """

    model: ClassList
    data: ClassList
    extra: ExtraClasses
    axis: ClassList
    column: tuple[int, ...]
    label: tuple[int, ...]

    @property
    def shared(self) -> tuple[str, ...]:
        """Shared classes, by the data's names."""
        return tuple(name for name, place in zip(self.data, self.label, strict=True) if place >= 0)

    @property
    def extras(self) -> tuple[str, ...]:
        """Classes of the model that the data lack, by the model's names."""
        matched = set(self.column[: len(self.shared)])
        return tuple(name for i, name in enumerate(self.model) if i not in matched)

    @property
    def masked(self) -> tuple[str, ...]:
        """Classes the model must not predict."""
        return self.extras if self.extra == "mask" else ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Classes of the data that the model lacks; their faces are excluded."""
        return tuple(name for name, place in zip(self.data, self.label, strict=True) if place < 0)

    @property
    def complete(self) -> bool:
        """True if both have the same classes."""
        return not self.extras and not self.unknown

    def axis_labels(self, labels: Ints) -> Ints:
        """Convert labels of the data, int64 (n,), to positions in ``axis``; -1 if the model lacks the class."""
        return np.array(self.label, dtype=np.int64)[labels]

    def excluded_counts(self, labels: Ints) -> dict[str, int]:
        """Count the excluded faces among those with these labels, int64 (n,), by class."""
        names = Counter(self.data[int(i)] for i in labels if self.label[int(i)] < 0)
        return {name: names[name] for name in self.data if names[name]}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"model": list(self.model), "data": list(self.data), "shared": list(self.shared)}

    def caption(self, excluded: dict[str, int]) -> str:
        """Return a note on classes that only one side has; empty if both have the same.

        ``excluded``: number of excluded faces by class.
        """
        parts = []
        if self.masked:
            parts.append(f"The model may predict only the data's classes (masked: {', '.join(self.masked)}).")
        elif self.extras:
            parts.append(
                f"The model also predicts classes that the data lack, counted as errors: {', '.join(self.extras)}."
            )
        if excluded:
            faces = joined([f"{n:,} {name}" for name, n in excluded.items()])
            parts.append(f"Faces of classes that the model lacks are excluded: {faces}.")
        return " ".join(parts)


def match_classes(model: ClassList, data: ClassList, extra: ExtraClasses = "count") -> ClassMatch:
    """Match the classes of a model and of data: by exact name first, then ignoring case, then by an emotion's alias.

    Raises:
        ModelError: no class is common to both.
        ConfigError: ``extra`` is unknown, or masking leaves the model a single class.
    """
    if extra not in EXTRA_CLASSES:
        raise ConfigError(f"Unknown treatment of extra classes '{extra}'. Choose {' or '.join(EXTRA_CLASSES)}.")
    found = {d: m for d, m in enumerate(data.positions_in(model)) if m is not None}
    if not found:
        raise ModelError(
            f"The model's classes ({', '.join(model)}) and the data's ({', '.join(data)}) have no name in common, so the "
            'model cannot be evaluated on these data. Rename classes with a class map, e.g. --merge "happy=smiling".'
        )
    shared = sorted(found)
    if extra == "mask" and len(shared) < 2:
        raise ConfigError(
            f"Model and data share only the class '{data[shared[0]]}': with the others masked, every prediction would be "
            "correct. Count the extra classes instead."
        )
    others = [m for m in range(len(model)) if m not in found.values()] if extra == "count" else []
    if len(shared) + len(others) < 2:
        raise ModelError(
            f"Model and data share only the class '{data[shared[0]]}', so there is nothing to distinguish."
        )
    place = {d: i for i, d in enumerate(shared)}
    return ClassMatch(
        model=model,
        data=data,
        extra=extra,
        axis=ClassList((*(data[d] for d in shared), *(model[m] for m in others))),
        column=(*(found[d] for d in shared), *others),
        label=tuple(place.get(d, -1) for d in range(len(data))),
    )
