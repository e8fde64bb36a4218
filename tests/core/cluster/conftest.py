"""The cluster is tested with the detector and scenes of faces."""

from tests.core.faces.conftest import detector

__all__ = ["detector"]
