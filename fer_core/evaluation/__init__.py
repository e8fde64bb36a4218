"""Evaluation of classifiers: ``evaluate(classifier, dataset, "valid")``."""

from fer_core.evaluation.evaluate import Evaluation, Predictions, evaluate, predict_indices
from fer_core.evaluation.metrics import wilson_interval

__all__ = ["Evaluation", "Predictions", "evaluate", "predict_indices", "wilson_interval"]
