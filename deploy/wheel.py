"""Puts the app into the wheel: app.py, pages, assets and Streamlit's settings travel under ``fer_core/_app/``.

Hatchling calls this while it builds. An editable install adds nothing: there the app is run from the checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

APP_FILES = ("app.py", "pages", ".streamlit/config.toml")
LEFT_OUT = {"screenshots"}
"""Parts of ``assets`` that only the README shows."""


class AppFiles(BuildHookInterface[Any]):
    """Adds the app's files to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name each file's place in the wheel; called by Hatchling before it builds."""
        if version != "standard":
            return
        root = Path(self.root)
        assets = [f"assets/{path.name}" for path in sorted((root / "assets").iterdir()) if path.name not in LEFT_OUT]
        for name in (*APP_FILES, *assets):
            build_data["force_include"][str(root / name)] = f"fer_core/_app/{name}"
