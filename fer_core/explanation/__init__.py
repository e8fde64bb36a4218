"""Explanations of predictions: ``explain(classifier, face, "gradcam")``, with sanity checks."""

from fer_core.explanation.occlusion import Occluded, occlude
from fer_core.explanation.regions import REGIONS, RegionStudy, region_masks, shares, study_regions
from fer_core.explanation.saliency import METHODS, Method, Saliency, explain
from fer_core.explanation.sanity import SanityReport, run_sanity_checks

__all__ = [
    "METHODS",
    "REGIONS",
    "Method",
    "Occluded",
    "RegionStudy",
    "Saliency",
    "SanityReport",
    "examine",
    "explain",
    "occlude",
    "region_masks",
    "run_sanity_checks",
    "shares",
    "study_regions",
]
