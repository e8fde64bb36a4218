"""``app``, ``cache`` and ``takes``: start the app, show or prune the cache, list, export or delete takes."""

from __future__ import annotations

from pathlib import Path
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


_takes = typer.Typer()
commands.add_typer(_takes, name="takes")


@_takes.callback(invoke_without_command=True)
def show_takes(context: typer.Context, as_json: JsonOption = False) -> None:
    """List takes of own classes and the models taught from them; ``takes export`` and ``takes delete`` act on them."""
    from fer_core.teach import TakeStore, list_stores, list_taught

    if context.invoked_subcommand is not None:
        return
    sets, rows = [], []
    for name in list_stores(workspace()):
        store = TakeStore(workspace(), name)
        takes = store.takes()
        faces = sum(take.faces for take in takes)
        sets.append({"name": name, "classes": list(store.classes), "takes": len(takes), "faces": faces})
        rows.append([name, ", ".join(store.classes), f"{len(takes):,}", f"{faces:,}"])
    taught = list_taught(workspace())
    models = [{"name": one.name, "classes": list(one.classes), "model": one.model} for one in taught]
    text = table(["takes of", "classes", "takes", "faces"], rows, left=2) if rows else "There are no takes."
    if taught:
        text += "\n\n" + table(["model", "classes"], [[one.name, ", ".join(one.classes)] for one in taught], left=2)
    emit({"sets": sets, "models": models}, as_json, text)


@_takes.command("export")
def export_takes(
    name: Annotated[str, typer.Argument(help="Name of the takes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The zip file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Write takes to a zip, which ``teach`` and ``data`` read."""
    from fer_core.teach import TakeStore, export_zip
    from fer_core.workspace import atomic_write

    content = export_zip(TakeStore(workspace(), name))
    with atomic_write(output) as file:
        file.write(content)
    emit({"path": str(output), "bytes": len(content)}, as_json, f"Wrote {output} ({len(content) / 1e6:.1f} MB).")


@_takes.command("delete")
def delete_takes(
    everything: Annotated[
        bool,
        typer.Option(
            "--everything", help="Confirm: delete all takes, their features, and all models taught from them."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete all takes with everything made from them: features, taught models, trainings on takes."""
    from fer_core.errors import ConfigError
    from fer_core.teach import delete_everything

    if not everything:
        raise ConfigError("Nothing was deleted. Add --everything to delete all takes and the models taught from them.")
    removed = delete_everything(workspace())
    emit(removed.to_dict(), as_json, removed.sentence)
