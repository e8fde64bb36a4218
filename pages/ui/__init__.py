"""The parts of the pages: what all of them use in shell, components and review, and a folder for each page."""
