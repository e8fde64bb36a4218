"""One step of training: faces changed at random, losses, and the update of the weights."""
