"""Sampling: seed i makes image i, whatever the shards, the number of processes or the engine."""
