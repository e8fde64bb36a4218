"""The command line: ``python -m fer_core COMMAND``; each action of the pages has its command here.

Every command takes ``--json`` and then prints exactly one JSON document on stdout; progress and notes go to stderr.
Exit status: 0 done, 2 the user's input is wrong (one sentence on stderr), 1 a defect of ours.
A command is thin: options in, one core call, text or JSON out. Heavy libraries load inside the commands.
"""

from __future__ import annotations

from typing import Annotated

import typer

from fer_core import __version__
from fer_core.cli import bench, data, lessons, models, photos, runs, training, video, workspace
from fer_core.cli.output import note
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
    """Run one command; returns the exit status. Users' errors become one line on stderr and status 2."""
    try:
        app(args=arguments)
    except FerError as error:
        note("error: " + " ".join(str(error).split()))
        return 2
    except SystemExit as leave:  # typer's own way to end, with 2 for a command line it cannot understand
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except KeyboardInterrupt:
        note("stopped.")
        return 130
    return 0
