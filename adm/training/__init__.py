"""Training: tasks, the loop, precision, and checkpoints; resumed training gives the same bits."""
