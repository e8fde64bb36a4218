"""What the Inside the network page remembers for a browser window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class NetworkState:
    """The state of the Inside the network page.

    Attributes:
        layer: label of the convolution whose filters were shown last, on whichever network.
        asked_filter: number of the filter to open in the next run: a click on the sheet asks for it.
        face: position of the chosen face in the data in use; None until one is clicked.
        seed: decides which random faces there are to choose from.
    """

    layer: str | None = None
    asked_filter: int | None = None
    face: int | None = None
    seed: int = 0

    def reshuffle(self) -> None:
        """Offer other random faces."""
        self.seed += 1
