"""What a network looks at: ``explain(classifier, face, "gradcam")``, and whether to believe it."""

from fer_core.explanation.cover import Covered, cover
from fer_core.explanation.regions import REGIONS, RegionStudy, region_masks, shares, study_regions
from fer_core.explanation.saliency import METHODS, Method, Saliency, explain
from fer_core.explanation.sanity import Belief, examine

__all__ = [
    "METHODS",
    "REGIONS",
    "Belief",
    "Covered",
    "Method",
    "RegionStudy",
    "Saliency",
    "cover",
    "examine",
    "explain",
    "region_masks",
    "shares",
    "study_regions",
]
