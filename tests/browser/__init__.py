"""Real Chromium against the real app."""
