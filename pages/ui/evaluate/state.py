"""What the Evaluate page remembers for a browser window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EvaluateState:
    """The state of the Evaluate page.

    Attributes:
        cell_of: key of the subject that the chosen cell of the matrix belongs to; another subject begins with its most
            confused cell.
    """

    cell_of: str | None = None
