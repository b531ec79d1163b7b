"""Training: tasks, the loop, precision, and checkpoints that go on to the bit."""
