"""Custom components: one folder each with Python, script and style."""
