"""A plotly chart that updates in place."""
