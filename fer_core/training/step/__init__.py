"""The parts of one training step: augmentation, losses, and the update of the weights."""
