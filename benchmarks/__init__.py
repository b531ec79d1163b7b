"""Timings as ratios, and peaks of memory, each measured in one run on the machine at hand: `make bench`."""
