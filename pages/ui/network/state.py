"""State of the Inside the network page in a browser window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class NetworkState:
    """State of the Inside the network page.

    Attributes:
        layer: label of the convolution shown last, of any network.
        asked_filter: number of the filter to open in the next run, after a click on a pattern.
        face: index of the selected face in the data in use, or None.
        seed: seed of the random faces to choose from.
    """

    layer: str | None = None
    asked_filter: int | None = None
    face: int | None = None
    seed: int = 0

    def reshuffle(self) -> None:
        """Draw other random faces."""
        self.seed += 1
