"""``app`` and ``cache``: start the app, and show or prune the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fer_core.cli.options import JsonOption, workspace
from fer_core.cli.output import emit, note, table

if TYPE_CHECKING:
    from fer_core.store import Usage

commands = typer.Typer()


@commands.command("app")
def run_app(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to serve on; if it is in use, the next free one. [8501]")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Open a separate window instead of a browser tab.")] = False,
) -> None:
    """Start the app in the browser; a second start for the same workspace opens the running one."""
    from fer_core.launcher import launch

    status = launch(workspace(), port=port, window=window, say=note)
    if status:
        raise typer.Exit(status)


_cache = typer.Typer()
commands.add_typer(_cache, name="cache")


@_cache.callback(invoke_without_command=True)
def show_cache(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show what the cache holds; ``cache prune`` frees space."""
    from fer_core.store import Store

    if context.invoked_subcommand is None:
        usage = Store(workspace()).size()
        emit(usage.to_dict(), as_json, _usage_text(usage))


@_cache.command("prune")
def prune_cache(
    to: Annotated[
        str | None, typer.Option("--to", help="Size to keep, such as 1GB; the cache limit if omitted.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the least recently used entries; everything in the cache can be computed again."""
    from fer_core.store import Store, format_size, parse_size

    store = Store(workspace())
    before = store.size()
    store.prune(None if to is None else parse_size(to, "--to"))
    usage = store.size()
    freed = before.bytes - usage.bytes
    record = {**usage.to_dict(), "removed": before.entries - usage.entries, "freed": freed}
    emit(record, as_json, f"{format_size(freed)} freed.\n{_usage_text(usage)}")


def _usage_text(usage: Usage) -> str:
    from fer_core.store import format_size

    rows = [[kind, f"{entries:,}", format_size(size)] for kind, (entries, size) in usage.kinds.items()]
    rows.append(["all", f"{usage.entries:,}", format_size(usage.bytes)])
    return table(["", "entries", "size"], rows, total=True) + f"\nLimit: {format_size(usage.limit)}"
