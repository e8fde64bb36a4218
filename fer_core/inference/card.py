"""Read measured rater agreement from the model card of a shipped model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from fer_core.resources import asset

_HEADER: Final = re.compile(r"^\| *(?P<split>\w+) \(n = (?P<n>[\d,]+)\) *\| *rater agreement *\|", re.MULTILINE)
_PERSON: Final = "another rater"
_SENSITIVITY: Final = re.compile(r"sensitivity ([\d.]+)")


@dataclass(frozen=True, slots=True)
class CardAgreement:
    """How often a model, and how often a second person, agrees with a person drawn at random.

    Attributes:
        split: Name of the test set.
        n: Faces measured.
        model: Share in 0…1 for the model's predictions.
        person: Share in 0…1 for a second person's votes on the same faces.
    """

    split: str
    n: int
    model: float
    person: float


def card_agreement(name: str, sensitivity: float) -> CardAgreement | None:
    """Return the rater agreement stated in the card of a shipped model.

    Args:
        name: Name of the model in ``assets/models``.
        sensitivity: In 0…1. A row of the card must state it, unless its rows state none.

    Returns:
        None if there is no card, or the card has no figure for this sensitivity.
    """
    try:
        text = asset("models", f"{name}.md").read_text(encoding="utf-8")
    except OSError:
        return None
    header = _HEADER.search(text)
    if header is None:
        return None
    model, person = None, None
    for line in text[header.end() :].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 2:
            break
        stated = _SENSITIVITY.search(cells[0])
        if cells[0] == _PERSON:
            person = float(cells[1])
        elif f"`{name}`" in cells[0] and (stated is None or math.isclose(float(stated[1]), sensitivity)):
            model = float(cells[1])
    if model is None or person is None:
        return None
    return CardAgreement(header["split"], int(header["n"].replace(",", "")), model, person)
