"""Prints results on stdout, progress and messages on stderr, and handles Ctrl-C."""

from __future__ import annotations

import codecs
import io
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


_PLAIN: Final = {
    "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "·": "*", "→": "->", "≤": "<=", "≥": ">=", "±": "+/-", "’": "'", "─": "-",
}  # fmt: skip
"""Typographic characters and what a terminal without them shows."""


def _replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that a terminal cannot show: typography by ASCII, all others by their code (``\\u7167``)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in characters), error.end


def accept_any_character() -> None:
    """Let stdout and stderr take any text, whatever their encoding: cp1252, ASCII, or UTF-8 with undecodable file names."""
    codecs.register_error("fer_lab", _replace_unencodable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="fer_lab")


def emit(value: Any, as_json: bool, text: str) -> None:
    """Print the result as one JSON document or as text."""
    # JSON stays valid in every encoding: outside UTF-8, characters are escaped as JSON escapes them.
    escaped = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=escaped, allow_nan=False) if as_json else text)


def note(text: str) -> None:
    """Print a message on stderr."""
    print(text, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1, total: bool = False) -> str:
    """Format rows in aligned columns under a header.

    Args:
        header: the column names.
        rows: the cells; None is shown as a dash.
        left: number of left-aligned text columns; the others are numbers, aligned to the right.
        total: the last row is a sum, separated from the rows above.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for position, name in enumerate(header):
        drawn.add_column(Text(name), justify="left" if position < left else "right", no_wrap=True)
    for number, row in enumerate(rows):
        cells = [Text("–" if cell is None else str(cell)) for cell in row]
        drawn.add_row(*cells, end_section=total and number == len(rows) - 2)
    # Wide enough for any row: output may be piped into a file, and a truncated cell would be wrong.
    page = Console(file=io.StringIO(), width=10_000, color_system=None, legacy_windows=False)
    with page.capture() as captured:
        page.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())


class Bar:
    """A progress bar on stderr, called with (done, total). It shows nothing if stderr is not a terminal."""

    def __init__(self, console: Console, bar: Progress, task: TaskID) -> None:
        """Create a bar for ``task``."""
        self._console, self._bar, self._task = console, bar, task

    def __call__(self, done: int, total: int, description: str | None = None, speed: str = "") -> None:
        """Update the bar; ``description`` replaces the previous one."""
        self._bar.update(self._task, completed=done, total=total, description=description, speed=speed)

    def print(self, line: str) -> None:
        """Print a line above the bar, on a terminal or into a file."""
        self._console.print(line, highlight=False, markup=False)


@contextmanager
def progress(what: str) -> Iterator[Bar]:
    """Show a progress bar while the block runs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    # Rich prints stdout's lines above the bar, but on stderr: only right where both are the same terminal.
    same, hidden = sys.stdout.isatty(), not console.is_terminal
    with Progress(*columns, console=console, transient=True, redirect_stdout=same, disable=hidden) as bar:
        yield Bar(console, bar, bar.add_task(what, total=None, speed=""))


@contextmanager
def stop_on_interrupt(notice: str) -> Iterator[Callable[[], bool]]:
    """Treat the first Ctrl-C as a stop request; a second one interrupts.

    Args:
        notice: the message after the first Ctrl-C, such as how the work will end; "" prints none.

    Yields:
        A function that returns whether a stop was requested.
    """
    asked = False

    def interrupt(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        if notice:
            note(f"{notice} Press Ctrl-C again to interrupt immediately.")

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)
