"""Scores of files that a user brings, and comparisons of whole results: what the tools compute."""
