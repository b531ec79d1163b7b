"""Sampling: image i is made by seed i alone, whatever the shards, processes or engine."""
