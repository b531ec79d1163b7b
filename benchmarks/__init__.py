"""Timings as ratios, each measured in one run on the machine at hand: `make bench`."""
