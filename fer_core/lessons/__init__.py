"""Lessons: live checks of the mathematics, and experiments."""
