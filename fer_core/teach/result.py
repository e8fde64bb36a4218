"""What teaching produced: ``taught/<name>/result.json`` beside the model, and how it is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from fer_core.config import Config
from fer_core.errors import ConfigError
from fer_core.workspace import Workspace

RESULT: Final = "result.json"
MODEL: Final = "model.safetensors"


class TakeScore(Config):
    """How a model that was taught without this take predicts its faces."""

    take: str = Field(description="Id of the take.")
    class_name: str
    number: int = Field(description="Number of the take within its class, from 1.")
    source: str
    faces: int
    accuracy: float
    predicted: dict[str, int] = Field(description="Number of faces by predicted class.")


class LeaveOneTakeOut(Config):
    """Accuracy on takes that were left out, one at a time: what to expect in another light, another place."""

    accuracy: float | None = Field(
        description="Mean over takes of the share of their faces predicted right; None without folds."
    )
    ci95: tuple[float, float] | None = Field(description="Bootstrap over takes.")
    takes: int = Field(description="Number of takes that were left out.")
    faces: int
    matrix: tuple[tuple[int, ...], ...] = Field(description="Counts; rows are true classes, columns predicted ones.")
    per_take: tuple[TakeScore, ...] = ()


class RandomFrames(Config):
    """Accuracy if frames of one take are both trained on and tested, as with a random split; not to be relied on."""

    accuracy: float | None = Field(description="Mean over the same takes of the share of their faces predicted right.")
    folds: int = 5


class Confused(Config):
    """Faces of one class that are misclassified as another when their take is left out."""

    true: str
    predicted: str
    faces: int
    share: float = Field(description="Share of the true class's faces.")


class ClassCount(Config):
    """Takes and faces of a class."""

    name: str
    takes: int
    faces: int


class CopiedTake(Config):
    """Two takes of different classes with the same or almost the same faces."""

    first: str = Field(description="Id of a take.")
    second: str
    first_class: str
    second_class: str
    faces: int = Field(description="Faces of the smaller take with a near-duplicate in the other.")
    share: float


class Taught(Config):
    """The result of one training with own classes."""

    name: str
    classes: tuple[str, ...]
    base: str = Field(description="The network whose features are used.")
    created: str = Field(description="UTC, ISO 8601.")
    takes: int
    faces: int
    left_out: dict[str, int] = Field(description="Pictures without a usable face, by reason.")
    per_class: tuple[ClassCount, ...]
    faces_used: int = Field(description="Faces that were trained on; fewer than all above a limit of views.")
    views: int = Field(description="Views of each face: as it is, and changed ones.")
    leave_one_take_out: LeaveOneTakeOut
    random_frames: RandomFrames
    confused: tuple[Confused, ...] = Field(description="Most frequent confusions, by share.")
    single_take: tuple[str, ...] = Field(description="Classes with one take, which cannot be left out.")
    copied: tuple[CopiedTake, ...] = ()
    why_they_differ: str = Field(description="Why random frames give another figure, in one sentence.")
    advice: tuple[str, ...] = Field(description="What another take would bring, the most useful first.")
    notes: tuple[str, ...] = ()
    strength: float = Field(description="Inverse regularization strength that was chosen.")
    temperature: float
    abstain_below: float
    seconds: float = Field(description="Features, choice of the strength and final fit; without the figures.")
    seconds_figures: float = Field(0.0, description="Leave-one-take-out and random frames.")
    model: str = Field(description="Path of the checkpoint.")


def load_taught(name: str, workspace: Workspace) -> Taught | None:
    """Return the result of a taught model, or None if there is none or its file is damaged."""
    folder = workspace.taught / name
    try:
        found = Taught.parse((folder / RESULT).read_bytes())
    except (OSError, ConfigError):
        return None
    return found.model_copy(update={"model": str(folder / MODEL)}) if (folder / MODEL).is_file() else None


def list_taught(workspace: Workspace) -> tuple[Taught, ...]:
    """Return the taught models that can be used, the newest first."""
    try:
        names = [path.parent.name for path in workspace.taught.glob(f"*/{MODEL}")]
    except OSError:
        return ()
    found = [one for name in names if (one := load_taught(name, workspace)) is not None]
    return tuple(sorted(found, key=lambda one: (one.created, one.name), reverse=True))


def model_path(name: str, workspace: Workspace) -> Path:
    """Return where the checkpoint of a taught model is."""
    return workspace.taught / name / MODEL
