"""Files that travel with the program: the app's scripts, its models, samples and settings, in a checkout or a wheel.

In a wheel they lie under ``fer_core/_app/``; in a checkout ``app.py``, ``pages`` and ``assets`` lie beside ``fer_core``.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path


@cache
def app_folder() -> Path:
    """The folder that holds ``app.py``, ``pages/``, ``assets/`` and ``.streamlit/config.toml``."""
    packaged = _package() / "_app"
    return packaged if (packaged / "app.py").is_file() else _package().parent


def checkout() -> Path | None:
    """The root of the checkout the program runs from; None where it is installed from a wheel."""
    return None if app_folder().parent == _package() else app_folder()


def asset(*parts: str) -> Path:
    """The path of a file or folder in ``assets``, such as ``asset("models", "compact.safetensors")``."""
    return app_folder().joinpath("assets", *parts)


def python_path() -> str:
    """``PYTHONPATH`` for a child process, so that it imports the same code: a checkout comes first, a wheel adds none."""
    root = checkout()
    return os.pathsep.join([*([str(root)] if root else []), *filter(None, [os.environ.get("PYTHONPATH")])])


def _package() -> Path:
    # files() gives a path wherever packages are unpacked on disk; models are opened by libraries that need a path.
    return Path(str(files("fer_core"))).resolve()
