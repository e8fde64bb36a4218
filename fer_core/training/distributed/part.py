"""Which faces of each batch one process takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Part:
    """One process's faces of a global batch.

    Random numbers are drawn for the whole batch and these rows taken from them, so that the batch is the same however
    many processes share it.

    Attributes:
        total: faces in the batch.
        own: the process's rows.
        prepared: the rows whose pixels it prepares: its own, after :attr:`extra` others.
        extra: 1 if mixup needs the face before the first of its own, otherwise 0.
    """

    total: int
    own: slice
    prepared: slice | torch.Tensor
    extra: int = 0

    @classmethod
    def whole(cls, total: int) -> Part:
        """Return the part of a process that trains alone: the whole batch."""
        return cls(total, slice(0, total), slice(0, total))

    @classmethod
    def of(cls, rank: int, size: int, total: int, neighbor: bool) -> Part:
        """Return the part of process ``rank`` of ``size``.

        Args:
            rank: the process, from 0.
            size: number of processes.
            total: faces in the batch, at least ``size``.
            neighbor: whether each face is mixed with the one before it; the first is mixed with the last.
        """
        if size == 1:
            return cls.whole(total)
        own = share(rank, size, total)
        if not neighbor:
            return cls(total, own, own)
        before = slice(own.start - 1, own.stop) if own.start else torch.tensor([total - 1, *range(own.start, own.stop)])
        return cls(total, own, before, 1)


def share(rank: int, size: int, total: int) -> slice:
    """Return the rows of process ``rank`` of ``size``: consecutive, and as equal as possible (128 by 3: 42, 43, 43)."""
    return slice(total * rank // size, total * (rank + 1) // size)
