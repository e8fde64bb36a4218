"""What the Data page remembers for a browser window."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.shell import session


@dataclass
class DataState:
    """The state of the Data page.

    Attributes:
        opened: the source that is shown; None as long as no other than the data in use was opened.
        saved_upload: Streamlit's id of the upload that is in the workspace already, so that reruns do not save it again.
        seed: decides which random faces are shown.
    """

    opened: str | None = None
    saved_upload: str | None = None
    seed: int = 0

    @property
    def viewed(self) -> str:
        """The source that is shown; the data in use until another is opened."""
        return self.opened or session.data_source()

    def reshuffle(self) -> None:
        """Show other random faces."""
        self.seed += 1
