"""Lessons: the mathematics checked live."""
