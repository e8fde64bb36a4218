"""The README and the pages of docs/ agree with the code and with each other."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from annotated_types import Ge, Gt, Le, Lt
from typer.core import TyperGroup

from fer_core.cli import app
from fer_core.serve.settings import ServeSettings
from tests.paths import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"
PAGES = sorted([*PROJECT_ROOT.glob("*.md"), *PROJECT_ROOT.glob("docs/*.md"), *PROJECT_ROOT.glob("assets/**/*.md")])
"""Every page of documentation."""


def shell_lines(page: Path) -> list[str]:
    """The lines of the shell examples on a page, and its commands in running text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return lines + [code.replace("\n", " ") for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def fer_lab_commands() -> list[tuple[str, str]]:
    """(page, arguments) of every example of our command line."""
    found = []
    for page in PAGES:
        for line in shell_lines(page):
            match = re.search(r"(?:python -m fer_core|(?:^|&& )fer-lab)((?: [^|&;]+)?)$", line)
            if match and match.group(1).strip():
                found.append((page.name, match.group(1).strip()))
    return found


def test_the_readme_fits_two_minutes():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(("page", "arguments"), sorted(set(fer_lab_commands())))
def test_every_command_in_the_docs_exists_with_its_options(page: str, arguments: str):
    words = shlex.split(arguments)
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    if words[0].startswith("-") or words[0].isupper():
        return
    assert words[0] in commands.commands, f"{page}: there is no command '{words[0]}'"
    command = commands.commands[words[0]]
    known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)} | {"--help"}
    if isinstance(command, TyperGroup):
        known |= {flag for inner in command.commands.values() for option in inner.params for flag in option.opts}
    flags = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert [flag for flag in flags if flag not in known] == [], f"{page}: {arguments}"


@pytest.mark.slow
def test_every_example_of_the_python_api_runs(monkeypatch: pytest.MonkeyPatch):
    page = PROJECT_ROOT / "docs" / "python-api.md"
    monkeypatch.chdir(PROJECT_ROOT)
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(page), "exec"), {"__name__": page.stem})


def test_every_module_has_a_first_sentence():
    files = [*PROJECT_ROOT.glob("pages/**/*.py"), *PROJECT_ROOT.glob("fer_core/**/*.py")]
    assert [str(path) for path in files if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


CLI_PAGE = PROJECT_ROOT / "docs" / "cli.md"
_INTRODUCTION = """# Command line

<!-- Written by `python -m tests.core.test_docs`; edit the help texts in fer_core/cli instead. -->

`fer-lab COMMAND` and `python -m fer_core COMMAND` are the same. With `--json` a command prints exactly one JSON document on
stdout; progress and notes go to stderr. Keys of the JSON output are never removed, and CSV columns keep their names.

Exit status: 0 success; 2 invalid input, explained in one sentence on stderr; 1 an internal error.

SOURCE is a path to data, or `synthetic`. MODEL is the name of a shipped model (`compact`, `compact-people`, `seed`,
`seed-people`), a run's name or id, a taught model's name, or the path of a `.safetensors` file. A run trained on labels and votes has two models,
`RUN:labels` and `RUN:votes`.

| environment variable | meaning |
|---|---|
| `FER_HOME` | the workspace, where everything is written; by default `./workspace` in a checkout and the user data folder of the platform when installed |
| `FER_MODEL` | the model for photos, videos and the webcam when none is named |
| `FER_CACHE_LIMIT` | the largest size of the cache, such as `2GB`; 5 GB by default |
| `FER_EXPORT_ONNX` | `0` stops the background export of your own networks to ONNX |
"""


def cli_page() -> str:
    """``docs/cli.md`` from the commands, their help texts and their options."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    parts = [_INTRODUCTION]
    for name, command in sorted(group.commands.items()):
        parts.append(_describe(f"fer-lab {name}", command))
        if isinstance(command, TyperGroup):
            parts += [_describe(f"fer-lab {name} {inner}", c) for inner, c in sorted(command.commands.items())]
    return "\n".join(parts)


def _describe(name: str, command: Any) -> str:
    """One command: its usage, its help text, and a table of its arguments and options."""
    context = typer.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## `{name}`", "", "```", f"{name} {usage}".rstrip(), "```", "", inspect.cleandoc(command.help or ""), ""]
    records = [
        record for param in command.params if not getattr(param, "hidden", False)
        if (record := param.get_help_record(context))
    ]  # fmt: skip
    if records:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(flags)}` | {_cell(meaning)} |" for flags, meaning in records]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def test_the_command_line_page_is_that_of_the_code():
    assert CLI_PAGE.read_text(encoding="utf-8") == cli_page(), "run: python -m tests.core.test_docs"


DEPLOY_PAGE = PROJECT_ROOT / "docs" / "deploy.md"
_SETTINGS = re.compile(r"(?<=<!-- settings: )(.*? -->\n)(.*?)(?=<!-- end of settings -->)", re.DOTALL)
_BOUNDS = {Ge: "at least {.ge:,}", Gt: "above {.gt:,}", Le: "at most {.le:,}", Lt: "below {.lt:,}"}


def deploy_page() -> str:
    """``docs/deploy.md`` with the table of settings from :class:`ServeSettings`."""
    rows = ["| setting | default | bounds | meaning |", "|---|---|---|---|"]
    for name, field in ServeSettings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        bounds = ", ".join(_BOUNDS[type(bound)].format(bound) for bound in field.metadata if type(bound) in _BOUNDS)
        shown = f"{default:,}" if isinstance(default, int | float) else "–"
        rows.append(f"| `{name}` | {shown} | {bounds} | {_cell(field.description or '')} |")
    page = DEPLOY_PAGE.read_text(encoding="utf-8")
    table = "\n".join(rows)
    return _SETTINGS.sub(lambda found: f"{found.group(1)}\n{table}\n\n", page)


def test_the_settings_of_a_server_are_those_of_the_code():
    page = DEPLOY_PAGE.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in ServeSettings.model_fields), "run: python -m tests.core.test_docs"
    assert page == deploy_page(), "run: python -m tests.core.test_docs"


if __name__ == "__main__":
    CLI_PAGE.write_text(cli_page(), encoding="utf-8")
    DEPLOY_PAGE.write_text(deploy_page(), encoding="utf-8")
