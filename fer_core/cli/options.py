"""Options shared by several commands."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.data.parsed import Progress
    from fer_core.data.reading import Reading
    from fer_core.workspace import Workspace

JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]

DropDuplicates = Annotated[
    bool, typer.Option("--drop-duplicates", help="Exclude faces with a duplicate in the train or valid split.")
]
DropBlank = Annotated[bool, typer.Option("--drop-blank", help="Exclude images whose pixels all have the same value.")]
Sensitivity = Annotated[
    float | None,
    typer.Option(
        help="0: judge as people judge everyday photos; 1: treat every expression as equally likely. Default: the model's own."
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        min=0, max=1024, help="Number of processes. Default: 0, which is one per processor core.", show_default=False
    ),
]
UseMarks = Annotated[
    bool, typer.Option("--use-marks", help="Apply your corrected labels and exclude faces marked unusable.")
]


def setting(name: str, *flags: str) -> Any:
    """Create an option with the help text and bounds of a TrainConfig field."""
    from fer_core.config import TrainConfig

    field = TrainConfig.model_fields[name]
    default = (
        ""
        if field.is_required() or field.default is None
        else f" Default: {field.get_default(call_default_factory=True)}."
    )
    return typer.Option(*flags, help=f"{field.description}{default}", show_default=False)


def workspace() -> Workspace:
    """Return the workspace of the command line."""
    from fer_core.workspace import Workspace

    return Workspace.default()


@dataclass(frozen=True)
class FaceOptions:
    """The options that control how labeled faces are read; None if an option was not given."""

    skip_unreadable: Annotated[bool | None, setting("skip_unreadable", "--skip-unreadable")]
    classes: Annotated[
        Literal["auto", "emotions", "folders", "affectnet", "raf-db", "fer2013", "ferplus"] | None,
        setting("classes", "--classes"),
    ]
    crop: Annotated[Literal["ask", "faces", "none"] | None, setting("crop", "--crop")]
    truth: Annotated[Literal["labels", "votes"] | None, setting("truth", "--truth")]
    votes: Annotated[str | None, setting("votes", "--votes")]
    merge: Annotated[
        list[str] | None,
        typer.Option(help='Merge classes, or rename one, e.g. --merge "negative=angry,disgust,fear,sad".'),
    ]
    drop: Annotated[list[str] | None, typer.Option(help="Exclude this class and its faces.")]
    use_class_map: Annotated[bool | None, typer.Option("--use-class-map", help="Use the class map from the Data page.")]
    class_map: Annotated[str | None, typer.Option(hidden=True, help="A complete class map as JSON.")]
    skip_broken: Annotated[
        bool | None, typer.Option("--skip-broken", hidden=True, help="Old name of --skip-unreadable.")
    ]

    @property
    def given(self) -> bool:
        """Whether any of these options was given."""
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def maps_classes(self) -> bool:
        """Whether the options change the classes of the source."""
        return bool(self.merge or self.drop or self.use_class_map or self.class_map)

    def reading(self) -> Reading:
        """Return the reading settings, without --merge, --drop and --use-class-map.

        Raises:
            ConfigError: a value is invalid.
        """
        from fer_core.data.reading import Reading
        from fer_core.errors import ConfigError

        names = ("skip_unreadable", "skip_broken", "classes", "crop", "truth", "votes")
        values: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.class_map is not None:
            try:
                values["class_map"] = json.loads(self.class_map)
            except ValueError as error:
                raise ConfigError("--class-map is not valid JSON.") from error
        return Reading.parse(values)

    def load(self, source: str, on_progress: Progress | None = None, reading: Reading | None = None) -> FaceDataset:
        """Load ``source`` with these options, or with ``reading``, and print its warnings on stderr.

        Raises:
            DataError: the source cannot be read, or lacks a class that an option names.
            ConfigError: a value is invalid.
        """
        from fer_core.cli.output import note
        from fer_core.data.class_map import parse_merge
        from fer_core.data.reading import load_mapped

        dataset = load_mapped(
            source, reading or self.reading(),
            merge=[parse_merge(text) for text in self.merge or []], drop=self.drop or [],
            use_saved=bool(self.use_class_map), workspace=workspace(), on_progress=on_progress,
        )  # fmt: skip
        for warning in dataset.warnings:
            note(f"warning: {warning}")
        return dataset


def reads_faces(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of :class:`FaceOptions` to a command, which receives them as the argument ``faces``."""
    types = get_type_hints(command, include_extras=True)
    own = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[p.name])
        for p in inspect.signature(command).parameters.values()
        if p.name != "faces"
    ]
    hints = get_type_hints(FaceOptions, include_extras=True)
    shared = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[field.name])
        for field in fields(FaceOptions)
    ]

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        faces = FaceOptions(**{field.name: values.pop(field.name) for field in fields(FaceOptions)})
        command(**values, faces=faces)

    signature = inspect.Signature([*own, *shared])
    with_options.__signature__ = signature  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return with_options
