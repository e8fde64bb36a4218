"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fer_core.workspace import Workspace

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]

SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out faces that cannot be read, instead of refusing them all.")
]
DropDuplicates = Annotated[
    bool, typer.Option("--drop-duplicates", help="Leave out faces with a copy in train or valid.")
]
DropBlank = Annotated[bool, typer.Option("--drop-blank", help="Leave out images of one single grey value.")]
UseMarks = Annotated[bool, typer.Option("--use-marks", help="Use your marks: relabel, or leave out.")]


def setting(name: str, *flags: str) -> Any:
    """An option whose help and bounds are those of the setting of the same name in TrainConfig."""
    from fer_core.config import TrainConfig

    field = TrainConfig.model_fields[name]
    default = (
        ""
        if field.is_required() or field.default is None
        else f" Default: {field.get_default(call_default_factory=True)}."
    )
    return typer.Option(*flags, help=f"{field.description}{default}", show_default=False)


def workspace() -> Workspace:
    """The workspace the commands read and write."""
    from fer_core.workspace import Workspace

    return Workspace.default()
