"""The command line: ``python -m fer_core COMMAND``; each action of the pages has its command here.

Every command takes ``--json`` and then prints exactly one JSON document on stdout; progress and notes go to stderr.
Exit status: 0 done, 2 the user's input is wrong (one sentence on stderr), 1 a defect of ours.
A command is thin: options in, one core call, text or JSON out. Heavy libraries load inside the commands.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from fer_core import __version__
from fer_core.errors import FerError

app = typer.Typer(
    name="fer-lab",
    help="Facial expression recognition: train, evaluate, explain, and watch live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit(value: Any, as_json: bool, text: str) -> None:
    """Print the result: one JSON document, or the text for people."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False) if as_json else text)


def note(text: str) -> None:
    """Say something about the progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr; yields the function to call with (done, total). Silent when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Users' errors become one line on stderr and status 2."""
    try:
        app(args=arguments, standalone_mode=False)
    except FerError as error:
        note("error: " + " ".join(str(error).split()))
        return 2
    except typer.Exit as leave:
        return int(leave.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        note("stopped.")
        return 130
    except Exception as error:
        import click

        if not isinstance(error, click.ClickException):
            raise
        error.show()
        return int(error.exit_code)
    return 0
