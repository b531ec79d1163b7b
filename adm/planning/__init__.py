"""Estimates of a scale from its params file, its jobs, their time and bytes; and recipes of training."""
