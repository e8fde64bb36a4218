"""The web server: access control and shutdown."""
