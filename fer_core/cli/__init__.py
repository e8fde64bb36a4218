"""The command line: ``python -m fer_core COMMAND``; every action of the pages has its command here.

With ``--json`` a command prints exactly one JSON document on stdout; progress and messages go to stderr. Exit status: 0
success, 2 invalid input (one sentence on stderr), 1 internal error. Commands are thin: options, one core call, output. Heavy
libraries are imported inside the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from fer_core import __version__
from fer_core.cli import bench, data, lessons, models, photos, runs, training, video, workspace
from fer_core.cli.output import accept_any_character, note
from fer_core.errors import FerError
from fer_core.formatting import pasted_path

app = typer.Typer(
    name="fer-lab",
    help="Facial expression recognition: train, evaluate, explain, and watch live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for noun in (data, training, runs, models, photos, video, lessons, bench, workspace):
    app.add_typer(noun.commands)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


_NOT_PATHS = frozenset(("--set", "--merge", "--drop", "--name", "--emotion", "--class-map"))
"""Options whose values are not paths, or contain one among other text."""


def _with_plain_paths(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with pasted paths as plain ones (``~``, quotes, ``file://``), also after ``--option=``."""
    plain: list[str] = []
    for position, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if argument.startswith("--") and equals and option not in _NOT_PATHS:
            plain.append(f"{option}={pasted_path(value)}")
        elif argument.startswith("-") or (position and arguments[position - 1] in _NOT_PATHS):
            plain.append(argument)
        else:
            plain.append(pasted_path(argument))
    return plain


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status; a FerError becomes one line on stderr and status 2."""
    accept_any_character()
    try:
        app(args=_with_plain_paths(sys.argv[1:] if arguments is None else arguments))
    except FerError as error:
        note("error: " + " ".join(str(error).split()))
        return 2
    except SystemExit as leave:  # typer exits this way, with status 2 for an invalid command line
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except KeyboardInterrupt:
        note("stopped.")
        return 130
    return 0
