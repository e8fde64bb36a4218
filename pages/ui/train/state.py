"""What the Train page remembers for a browser window."""

from __future__ import annotations

from dataclasses import dataclass, field

from pages.ui.shell.forms import FormState


@dataclass
class TrainState:
    """The state of the Train page.

    Attributes:
        watched_run: id of the run that is shown, if one was chosen.
        form: the settings of the next training.
        followed_data: the data in use that the form was last brought to; afterwards another choice in the form stands.
        preset: the preset the form was filled with, if one was chosen.
        suited_to: the data whose number of faces the preset was last chosen for.
        notes: run id -> its notes as they were when the box for them was last filled.
    """

    watched_run: str | None = None
    form: FormState = field(default_factory=FormState)
    followed_data: str | None = None
    preset: str | None = None
    suited_to: str | None = None
    notes: dict[str, str] = field(default_factory=dict)
