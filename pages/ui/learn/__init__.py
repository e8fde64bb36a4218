"""The parts of the Derivations and Experiments pages."""
