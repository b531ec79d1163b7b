"""Scores of files that a user brings: features on disk, references, and all that is asked for of them."""
