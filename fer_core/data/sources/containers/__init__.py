"""Folders and archives as containers of named files."""
