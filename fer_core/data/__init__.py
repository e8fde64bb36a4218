"""Faces with labels: ``load(source) -> FaceDataset``, and which of them train: ``make_split``."""

from fer_core.data.dataset import SPLITS, FaceDataset, SplitName
from fer_core.data.protocols import ProtocolSplit, make_split
from fer_core.data.source import load

__all__ = ["SPLITS", "FaceDataset", "ProtocolSplit", "SplitName", "load", "make_split"]
