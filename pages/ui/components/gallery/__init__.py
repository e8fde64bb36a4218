"""Walls of faces that can be clicked and selected."""
