"""Where the tests find the checkout they belong to."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
