"""Asks in the browser why a camera does not work."""
