"""The views of a network."""

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
    """A view of a network.

    Attributes:
        title: label of its button.
        doing: what drawing does, to follow "while".
        draw: draws the view.
    """

    title: str
    doing: str
    draw: Callable[[Network], None]


VIEWS: Final = {
    "layers": View("Layers", "listing the layers", layers),
    "weights": View("First weights", "showing the weights", weights),
    "activations": View("Activations", "showing the activations", activations),
    "filter": View("One filter", "showing the filter", one_filter),
    "sheet": View("All filters", "showing the patterns", whole_sheet),
}
_VIEW: Final = "network-view"


def show(network: Network) -> None:
    """Draw the choice of a view and the selected view."""
    if state_of(NetworkState).asked_filter is not None:  # set before the widget is drawn
        set_widget_value(_VIEW, "filter")
    view = VIEWS[one_of("View", {name: view.title for name, view in VIEWS.items()}, key=_VIEW)]
    with error_boundary(view.doing):
        view.draw(network)
