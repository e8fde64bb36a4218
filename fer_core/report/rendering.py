"""Rendering of the report templates. All values are escaped unless they are Markup."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fer_core.evaluation import Evaluation
from fer_core.formatting import percent
from fer_core.images import png


def render(template: str, **context: object) -> Markup:
    """Render a template from this package's ``templates`` folder; the result can be embedded in another template."""
    return Markup(_environment().get_template(template).render(context))


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("fer_core.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(percent=percent, data_uri=_data_uri, thousands="{:,}".format, accuracy=accuracy)
    return found


def _data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """Encode gray or RGB pixels as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def accuracy_with_n(value: float, interval: Sequence[float], n: int) -> str:
    """Format an accuracy, for example ``58.7% (95% interval 57.1–60.3, n = 3,589)``."""
    low, high = interval
    return f"{percent(value)} (95% interval {100 * low:.1f}–{100 * high:.1f}, n = {n:,})"


def accuracy(found: Evaluation) -> str:
    """Format the accuracy of an evaluation with its interval and n."""
    return accuracy_with_n(found.accuracy, found.accuracy_ci95, found.n)
