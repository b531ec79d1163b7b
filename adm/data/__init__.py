"""Datasets: sources, sharded arrays, crops and the order in which training sees them."""
