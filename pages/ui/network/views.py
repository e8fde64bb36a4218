"""The views of a network, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pages.ui.network.activations import activations
from pages.ui.network.choice import Network
from pages.ui.network.filters import one_filter, whole_sheet
from pages.ui.network.layers import layers
from pages.ui.network.state import NetworkState
from pages.ui.network.weights import weights
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import set_widget_value, state_of


@dataclass(frozen=True)
class View:
    """One way to look into a network.

    Attributes:
        title: what its button says.
        doing: what drawing it does, to follow "while".
        draw: draws it.
    """

    title: str
    doing: str
    draw: Callable[[Network], None]


VIEWS: Final = {
    "layers": View("Layers", "listing the layers", layers),
    "weights": View("First weights", "showing the weights", weights),
    "activations": View("Activations", "showing the activations", activations),
    "filter": View("One filter", "showing the filter", one_filter),
    "sheet": View("All filters", "showing the sheet", whole_sheet),
}
_VIEW: Final = "network-view"  # key of the choice


def show(network: Network) -> None:
    """The choice of a view, and the chosen one."""
    if state_of(NetworkState).asked_filter is not None:  # a widget's value can only be set before it is drawn
        set_widget_value(_VIEW, "filter")
    view = VIEWS[one_of("Look at", {name: view.title for name, view in VIEWS.items()}, key=_VIEW)]
    with error_boundary(view.doing):
        view.draw(network)
