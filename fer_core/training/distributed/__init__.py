"""Training in several processes under ``torchrun``: one global batch, whose faces the processes share out."""
