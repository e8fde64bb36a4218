"""Attacks on the whole: killed trainings, hostile files. ``python -m tests.proof`` prints the figures."""
