"""Readers of data sets: one module for each file format and each layout of folders."""
