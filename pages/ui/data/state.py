"""Session state of the Data page."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.shell import session


@dataclass
class DataState:
    """The state of the Data page.

    Attributes:
        opened: the source shown; None until a source other than the data in use is opened.
        saved_upload: Streamlit's id of the upload already saved in the workspace, so that reruns do not save it again.
        seed: seed of the random sample of faces.
    """

    opened: str | None = None
    saved_upload: str | None = None
    seed: int = 0

    @property
    def viewed(self) -> str:
        """The source shown: the opened one, or the data in use."""
        return self.opened or session.data_source()

    def reshuffle(self) -> None:
        """Sample other faces."""
        self.seed += 1
