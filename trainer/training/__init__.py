"""The training loop, its callbacks, optimizers and checkpoints: shared by all products."""
