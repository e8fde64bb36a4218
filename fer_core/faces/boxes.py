"""Boxes around faces, and how much two boxes overlap."""

from __future__ import annotations

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""


def intersection(a: Box, b: Box) -> float:
    """Return the intersection of two boxes, in square pixels."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def intersection_over_union(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, 0…1."""
    shared = intersection(a, b)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared) if shared else 0.0
