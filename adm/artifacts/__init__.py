"""Artifacts: files and folders that appear whole or not at all, each with a manifest of what made it."""
