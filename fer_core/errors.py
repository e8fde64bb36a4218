"""Errors that a user can fix.

Each message names the input, what was expected, what was found, and what to do. Pages show it without a traceback; the
command line prints it in one line and exits with status 2. Any other exception is an internal error.

    FerError
    ├── DataError          a data source is unreadable or inconsistent
    │   ├── AmbiguousFolders   folders may mean the same emotion
    │   └── PhotographsFound   whole photos among training images
    ├── ConfigError        a setting is out of bounds, or settings contradict each other
    ├── ModelError         an architecture is unknown, or weights do not fit
    │   └── CheckpointError    a checkpoint is damaged, not ours or from a newer version
    ├── ImageError         a photo or video cannot be decoded or is rejected
    │   └── UnreadableImage    a file is not an image, is damaged or is too large
    ├── RunError           a run directory is missing, not ours, locked or damaged
    │   └── BusyError          another training is running in the workspace
    ├── TrainingError      training cannot continue (loss not finite, disk full)
    ├── LimitError         a user of a shared server would use more than its settings allow
    │   ├── QuotaError         the user's space is full
    │   └── RateError          too many of one kind in a short time
    └── WorkspaceError     the workspace cannot be written
"""

from __future__ import annotations


class FerError(Exception):
    """Base class of errors that a user can fix; ``str(error)`` is one or two clear sentences."""


class DataError(FerError):
    """A data source is unreadable or inconsistent."""


class AmbiguousFolders(DataError):
    """Folders do not determine their emotion; they can be read by their own names."""


class PhotographsFound(DataError):
    """Training images are whole photographs, not face crops; the user must choose whether to crop them."""


class ConfigError(FerError):
    """A setting is out of bounds, or settings contradict each other."""


class ModelError(FerError):
    """An architecture is unknown, or weights do not fit it."""


class CheckpointError(ModelError):
    """A checkpoint is damaged, not ours or from a newer version."""


class ImageError(FerError):
    """A photo or video cannot be decoded, or is rejected for safety."""


class UnreadableImage(ImageError):
    """A file is not an image, is damaged, or declares a size that is too large.

    Attributes:
        reason: a predicate that follows the file's name, without a period: ``is damaged or truncated``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The file {reason}.")
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[str]]:
        return type(self), (self.reason,)


class RunError(FerError):
    """A run directory is missing, not ours, locked or damaged."""


class BusyError(RunError):
    """Another training is running in the workspace."""


class TrainingError(FerError):
    """Training cannot continue: the loss is not finite, or the disk is full."""


class WorkerError(FerError):
    """Worker processes do not start."""


class ClusterError(FerError):
    """The cluster's engine is not installed, does not answer, or gives up."""


class LimitError(FerError):
    """A user of a shared server would use more than its settings allow."""


class QuotaError(LimitError):
    """The space of a user of a shared server is full."""


class RateError(LimitError):
    """A user of a shared server asked for too much in a short time.

    Attributes:
        seconds: seconds until the request is allowed again.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds

    def __reduce__(self) -> tuple[type[RateError], tuple[str, float]]:
        return type(self), (str(self), self.seconds)


class WorkspaceError(FerError):
    """The workspace cannot be written."""
