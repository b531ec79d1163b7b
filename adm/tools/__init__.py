"""Verbs for single files and for whole results folders, outside the pipeline."""
