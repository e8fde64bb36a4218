"""Faces and a person's marks on them, shared by the pages that show faces of a data set."""
