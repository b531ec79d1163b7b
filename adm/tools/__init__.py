"""Verbs for single files, outside the pipeline."""
