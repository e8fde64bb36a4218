"""The errors a user can mend.

Each message says which input is meant, what was expected, what came, and what to do. Pages show it
calmly; the command line prints it in one line and exits with status 2. Anything else that is raised
is a defect of ours.

    FerError
    ├── DataError          a source of faces that cannot be read or does not make sense
    │   ├── AmbiguousFolders   folders that do not determine their emotion
    │   └── PhotographsFound   whole photographs among training images
    ├── ConfigError        a setting outside its bounds, or settings that contradict each other
    ├── ModelError         an unknown architecture, or weights that do not fit
    │   └── CheckpointError    a checkpoint file that is damaged, foreign or of a newer version
    ├── ImageError         a photograph or video that cannot be decoded or is refused
    │   └── UnreadableImage    the bytes of a file are no picture, are damaged or declare too much
    ├── RunError           a run directory that is missing, foreign, locked or damaged
    │   └── BusyError          another training holds the workspace
    ├── TrainingError      training that cannot go on (loss not finite, disk full)
    └── WorkspaceError     the workspace cannot be written
"""

from __future__ import annotations


class FerError(Exception):
    """Base of every error that a user can mend; ``str(error)`` is one clear sentence or two."""


class DataError(FerError):
    """A source of faces cannot be read or does not make sense."""


class AmbiguousFolders(DataError):
    """Folders do not determine their emotion; they can be read by their own names."""


class PhotographsFound(DataError):
    """Training images are whole photographs, not face crops; the user must choose whether to crop them."""


class ConfigError(FerError):
    """A setting lies outside its bounds, or settings contradict each other."""


class ModelError(FerError):
    """An architecture is unknown, or weights do not fit it."""


class CheckpointError(ModelError):
    """A checkpoint file is damaged, foreign or of a newer version."""


class ImageError(FerError):
    """A photograph or video cannot be decoded, or is refused for safety."""


class UnreadableImage(ImageError):
    """The bytes of a file are no picture, are damaged, or declare more than is decoded.

    Attributes:
        reason: without subject and full stop, to follow a file's name: ``is damaged or cut short``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The file {reason}.")
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[str]]:
        return type(self), (self.reason,)


class RunError(FerError):
    """A run directory is missing, foreign, locked or damaged."""


class BusyError(RunError):
    """Another training holds the workspace."""


class TrainingError(FerError):
    """Training cannot go on: the loss is not finite, the disk is full."""


class WorkspaceError(FerError):
    """The workspace cannot be written."""
