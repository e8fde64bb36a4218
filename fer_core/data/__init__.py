"""Faces with labels: ``load(source) -> FaceDataset``."""

from fer_core.data.dataset import SPLITS, FaceDataset, SplitName

__all__ = ["SPLITS", "FaceDataset", "SplitName"]
