"""Finds the files that ship with the program: the app's scripts, models, samples and settings.

In a wheel they are in ``fer_core/_app/``; in a checkout, ``app.py``, ``pages`` and ``assets`` are next to ``fer_core``.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path


@cache
def app_folder() -> Path:
    """Return the folder with ``app.py``, ``pages/``, ``assets/`` and ``.streamlit/config.toml``."""
    packaged = _package() / "_app"
    return packaged if (packaged / "app.py").is_file() else _package().parent


def checkout() -> Path | None:
    """Return the root of the checkout the program runs from; None if it is installed from a wheel."""
    return None if app_folder().parent == _package() else app_folder()


def asset(*parts: str) -> Path:
    """Return the path of a file or folder in ``assets``, such as ``asset("models", "compact.safetensors")``."""
    return app_folder().joinpath("assets", *parts)


def python_path() -> str:
    """Return ``PYTHONPATH`` for a child process that imports the same code: a checkout comes first, a wheel adds nothing."""
    root = checkout()
    return os.pathsep.join([*([str(root)] if root else []), *filter(None, [os.environ.get("PYTHONPATH")])])


def _package() -> Path:
    # files() returns a path if packages are unpacked on disk; libraries that open models need a path.
    return Path(str(files("fer_core"))).resolve()
