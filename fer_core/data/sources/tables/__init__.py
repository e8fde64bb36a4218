"""Faces as rows of a table: csv files and arrays, with their labels."""
