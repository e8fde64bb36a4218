"""Faces of a data set and the marks on them, shared by all pages that show faces."""
