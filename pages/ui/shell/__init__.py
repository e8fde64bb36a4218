"""Shared by all pages: session state, errors, caches, background tasks, forms, navigation and sidebar."""
