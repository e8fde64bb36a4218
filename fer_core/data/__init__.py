"""Labeled faces: ``load(source)`` returns a FaceDataset, ``make_split`` chooses which faces train and validate."""

from fer_core.data.dataset import SPLITS, FaceDataset, SplitName
from fer_core.data.protocols import ProtocolSplit, make_split
from fer_core.data.source import load

__all__ = ["SPLITS", "FaceDataset", "ProtocolSplit", "SplitName", "load", "make_split"]
