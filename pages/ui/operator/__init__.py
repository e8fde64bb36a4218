"""The parts of the Operator page."""
