"""Pages of a shared server only."""
