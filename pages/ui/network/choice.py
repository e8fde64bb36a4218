"""The network shown on the Inside the network page, and its choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pages.ui.shell import cache
from pages.ui.shell.pickers import model_box

if TYPE_CHECKING:
    from fer_core.inference import Classifier


_UNTRAINED: Final = "untrained:"


@dataclass(frozen=True, eq=False)
class Network:
    """A network to inspect.

    Attributes:
        name: display name.
        classifier: shared with other windows; never modified.
        key: identity of its weights.
        trained: False for an architecture with random weights.
    """

    name: str
    classifier: Classifier
    key: str
    trained: bool


def choose() -> Network:
    """Draw the choice of a model or an untrained architecture.

    Raises:
        ModelError: the model's file is damaged.
    """
    names = cache.models()
    names |= {f"{_UNTRAINED}{name}": f"{name}, untrained" for name in cache.architectures()}
    chosen = model_box(
        "Network",
        names,
        key="network",
        width=420,
        help="All models, and all architectures with random weights for comparison.",
    )
    trained = not chosen.startswith(_UNTRAINED)
    classifier = (
        cache.classifier(chosen) if trained else cache.untrained(chosen.removeprefix(_UNTRAINED))
    )  # fmt: skip
    from fer_core.explanation.filter_cache import network_key

    return Network(names[chosen], classifier, network_key(classifier), trained)
