"""Load a component's script and style from the files next to its Python module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def component(package: str, name: str, html: str) -> Callable[..., Any]:
    """Register a component with Streamlit and return it; call this once per component.

    Args:
        package: ``__file__`` of the component's module, next to ``NAME.js`` and ``NAME.css``.
        name: the component's name.
        html: initial content of the component's element.
    """
    return st.components.v2.component(
        f"fer_{name}", html=html, js=read(package, f"{name}.js"), css=read(package, f"{name}.css"), isolate_styles=False
    )


def read(package: str, name: str) -> str:
    """Read a file next to the module ``package``."""
    return Path(package).with_name(name).read_text(encoding="utf-8")
