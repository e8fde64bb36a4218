"""A component's script and style, which lie as files beside its Python side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def component(package: str, name: str, html: str) -> Callable[..., Any]:
    """Register the component ``name`` with Streamlit; call it once and keep what it returns.

    Args:
        package: ``__file__`` of the component's Python side; ``NAME.js`` and ``NAME.css`` lie beside it.
        name: the component's name.
        html: what the script finds in its element.
    """
    return st.components.v2.component(
        f"fer_{name}", html=html, js=read(package, f"{name}.js"), css=read(package, f"{name}.css"), isolate_styles=False
    )


def read(package: str, name: str) -> str:
    """The text of a file beside the module ``package``."""
    return Path(package).with_name(name).read_text(encoding="utf-8")
