"""Pages and what they share, without a browser."""
