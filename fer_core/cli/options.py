"""Options that several commands share."""

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

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]

DropDuplicates = Annotated[
    bool, typer.Option("--drop-duplicates", help="Leave out faces with a copy in train or valid.")
]
DropBlank = Annotated[bool, typer.Option("--drop-blank", help="Leave out images of one single grey value.")]
Sensitivity = Annotated[
    float | None,
    typer.Option(
        help="0: as people judge everyday photographs; 1: as if every expression were equally likely. Default: the model's own."
    ),
]
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


@dataclass(frozen=True)
class FaceOptions:
    """How labeled faces are read, as the command line says; None where an option was not given."""

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
        typer.Option(help='Make one class of several, or rename one, e.g. --merge "negative=angry,disgust,fear,sad".'),
    ]
    drop: Annotated[list[str] | None, typer.Option(help="Leave out this class and its faces.")]
    use_class_map: Annotated[
        bool | None, typer.Option("--use-class-map", help="Use the classes as arranged on the Data page.")
    ]
    class_map: Annotated[str | None, typer.Option(hidden=True, help="A whole class map, as JSON.")]
    skip_broken: Annotated[
        bool | None, typer.Option("--skip-broken", hidden=True, help="Old name of --skip-unreadable.")
    ]

    @property
    def given(self) -> bool:
        """Whether any of them was given."""
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def maps_classes(self) -> bool:
        """Whether the classes of the source are changed."""
        return bool(self.merge or self.drop or self.use_class_map or self.class_map)

    def reading(self) -> Reading:
        """Everything but the changes of classes.

        Raises:
            ConfigError: a value makes no sense.
        """
        from fer_core.data.reading import Reading
        from fer_core.errors import ConfigError

        names = ("skip_unreadable", "skip_broken", "classes", "crop", "truth", "votes")
        values: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.class_map is not None:
            try:
                values["class_map"] = json.loads(self.class_map)
            except ValueError as error:
                raise ConfigError("--class-map is not JSON.") from error
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
    """Give a command the options of :class:`FaceOptions`; it takes them as one argument, ``faces``."""
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
