"""Blocks of seeds, the unit of computation: a kernel sees the same batch in whatever process it is computed."""


def blocks_of(num_samples: int, micro_batch: int) -> range:
    """Number the blocks of a run. Block b holds seeds [b, b + 1) x micro_batch; the last is computed whole."""
    return range(-(-num_samples // micro_batch))
