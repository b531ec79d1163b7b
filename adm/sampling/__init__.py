"""Sampling: seed i makes image i, whatever the number of processes or the engine."""
