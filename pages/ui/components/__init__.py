"""Custom components: each folder holds its Python side, its script and its style."""
