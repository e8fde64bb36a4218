"""State of the Evaluate page in a browser window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EvaluateState:
    """State of the Evaluate page.

    Attributes:
        cell_of: key of the subject of the selected cell; a new subject starts with its most confused cell.
    """

    cell_of: str | None = None
