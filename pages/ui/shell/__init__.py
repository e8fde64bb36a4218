"""What every page uses: session state, errors, caches, background work, forms, navigation and sidebar."""
