"""State of the Train page in a browser window."""

from __future__ import annotations

from dataclasses import dataclass, field

from pages.ui.shell.forms import FormState


@dataclass
class TrainState:
    """State of the Train page.

    Attributes:
        watched_run: id of the selected run, if any.
        form: the settings of the next training.
        followed_data: the data in use that the form followed last; a later selection in the form wins.
        preset: the selected preset, if any.
        suited_to: the data for which the preset was selected automatically.
        notes: run id -> notes when their text box was last filled.
    """

    watched_run: str | None = None
    form: FormState = field(default_factory=FormState)
    followed_data: str | None = None
    preset: str | None = None
    suited_to: str | None = None
    notes: dict[str, str] = field(default_factory=dict)
