"""The command line: ``python -m fer_core COMMAND``; every action of the pages has its command here.

With ``--json`` a command prints exactly one JSON document on stdout; progress and messages go to stderr. Exit status: 0
success, 2 invalid input (one sentence on stderr), 1 internal error. Commands are thin: options, one core call, output. Heavy
libraries are imported inside the commands.
"""

from __future__ import annotations

from typing import Annotated

import typer

from fer_core import __version__
from fer_core.cli import bench, data, lessons, models, photos, runs, training, video, workspace
from fer_core.cli.output import accept_any_character, note
from fer_core.errors import FerError

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


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status; a FerError becomes one line on stderr and status 2."""
    accept_any_character()
    try:
        app(args=arguments)
    except FerError as error:
        note("error: " + " ".join(str(error).split()))
        return 2
    except SystemExit as leave:  # typer exits this way, with status 2 for an invalid command line
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except KeyboardInterrupt:
        note("stopped.")
        return 130
    return 0
