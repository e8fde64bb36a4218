"""A bar for each expression and a scrolling line, for faces as they change."""
