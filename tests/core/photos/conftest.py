"""Photographs and their faces are tested with the same detector, classifier and scenes as faces themselves."""

from tests.core.faces.conftest import _one_thread, checkpoint, classifier, detector, photos

__all__ = ["_one_thread", "checkpoint", "classifier", "detector", "photos"]
