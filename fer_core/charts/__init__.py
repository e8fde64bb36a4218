"""Plotly figures of arrays and evaluation records. Titles state the finding; axes have units."""

from fer_core.charts.agreement import agreement_bars
from fer_core.charts.confusion import confusion_finding, confusion_matrix, matrix_difference, matrix_height
from fer_core.charts.dataset import balance_finding, class_counts
from fer_core.charts.derivations import kernel_positions, numeric_error
from fer_core.charts.layers import ascent_curve, value_bars
from fer_core.charts.overview import accuracy_overview, class_shares, matrix_overview
from fer_core.charts.probabilities import probability_bars, timeline
from fer_core.charts.saliency import PerturbationCurve, deletion_insertion, region_bars
from fer_core.charts.scores import class_finding, class_scores, reliability, reliability_finding, risk_coverage
from fer_core.charts.selection import selectable
from fer_core.charts.theme import RUN_COLORS
from fer_core.charts.training import Curve, Quantity, accuracy_finding, learning_curves, loss_finding

__all__ = [
    "RUN_COLORS",
    "Curve",
    "PerturbationCurve",
    "Quantity",
    "accuracy_finding",
    "accuracy_overview",
    "agreement_bars",
    "ascent_curve",
    "balance_finding",
    "class_counts",
    "class_finding",
    "class_scores",
    "class_shares",
    "confusion_finding",
    "confusion_matrix",
    "deletion_insertion",
    "kernel_positions",
    "learning_curves",
    "loss_finding",
    "matrix_difference",
    "matrix_height",
    "matrix_overview",
    "numeric_error",
    "probability_bars",
    "region_bars",
    "reliability",
    "reliability_finding",
    "risk_coverage",
    "selectable",
    "timeline",
    "value_bars",
]
