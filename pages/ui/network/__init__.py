"""The parts of the Inside the network page."""
