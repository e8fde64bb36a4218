"""The network that the Inside the network page looks into, and the choice of one."""

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
    """The network that is looked into.

    Attributes:
        name: what people call it.
        classifier: shared with other windows; nothing here changes it.
        key: identity of its weights.
        trained: whether it is more than an architecture with random weights.
    """

    name: str
    classifier: Classifier
    key: str
    trained: bool


def choose() -> Network:
    """Pick a model, or an architecture that was never trained.

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
        help="Every model that can be used, and every architecture with random weights, to see what training changes.",
    )
    trained = not chosen.startswith(_UNTRAINED)
    classifier = (
        cache.classifier(chosen) if trained else cache.untrained(chosen.removeprefix(_UNTRAINED))
    )  # fmt: skip
    from fer_core.explanation.filter_cache import network_key

    return Network(names[chosen], classifier, network_key(classifier), trained)
