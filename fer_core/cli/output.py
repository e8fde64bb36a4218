"""What the command line prints (results on stdout, progress and notes on stderr), and how Ctrl-C stops it."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


def emit(value: Any, as_json: bool, text: str) -> None:
    """Print the result: one JSON document, or the text for people."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False) if as_json else text)


def note(text: str) -> None:
    """Say something about the progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1, total: bool = False) -> str:
    """Rows in aligned columns under a header, as text.

    Args:
        header: the columns' names.
        rows: their cells; None stands for a value that does not exist and is written as a dash.
        left: how many columns, from the left, hold words; the others hold numbers and are aligned to the right.
        total: the last row is a sum, set apart from those above it.
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
    # Wide enough for any row: what is printed may be piped into a file, and a cut cell would be a wrong one.
    page = Console(file=io.StringIO(), width=10_000, color_system=None, legacy_windows=False)
    with page.capture() as captured:
        page.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())


class Bar:
    """A progress bar on stderr; called with (done, total). Silent where stderr is no terminal."""

    def __init__(self, console: Console, bar: Progress, task: TaskID) -> None:
        """Show the progress of ``task``."""
        self._console, self._bar, self._task = console, bar, task

    def __call__(self, done: int, total: int, description: str | None = None, speed: str = "") -> None:
        """Move the bar; a description replaces the one before it."""
        self._bar.update(self._task, completed=done, total=total, description=description, speed=speed)

    def print(self, line: str) -> None:
        """Write a line above the bar, to a terminal or a file alike."""
        self._console.print(line, highlight=False, markup=False)


@contextmanager
def progress(what: str) -> Iterator[Bar]:
    """A progress bar while the block runs."""
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
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Bar(console, bar, bar.add_task(what, total=None, speed=""))


@contextmanager
def stop_on_interrupt(notice: str) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request to stop; the second breaks off.

    Args:
        notice: what is said at the first, such as how the work will end.

    Yields:
        whether a stop was asked for.
    """
    asked = False

    def interrupt(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        note(f"{notice} Press Ctrl-C again to break off.")

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)
