"""What a params file costs, before anything runs; and recipes of training."""
