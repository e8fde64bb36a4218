"""``app``: the app on this workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from fer_core.cli.output import note

commands = typer.Typer()


@commands.command("app")
def run_app(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve here; the next free port where it is taken. [8501]")
    ] = None,
    window: Annotated[
        bool, typer.Option("--window", help="Open a window of its own instead of a browser tab.")
    ] = False,
) -> None:
    """Start the app in the browser; a second start on the same workspace opens the one that runs."""
    from fer_core.launcher import launch
    from fer_core.workspace import Workspace

    status = launch(Workspace.default(), port=port, window=window, say=note)
    if status:
        raise typer.Exit(status)
