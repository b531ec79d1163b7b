"""Blocks of paired values, where these have no spread."""

import numpy as np
import pytest

from adm.metrics.intervals import Block, with_least_spread


def test_shares_that_are_alike_in_every_part_get_the_error_of_one_sample_each_apart_from_the_others():
    values = np.ones((16, 3))
    values[:, 1] = np.random.default_rng(0).random(16)
    block = with_least_spread(Block(values), 1 / 320)
    assert block.mean == pytest.approx(values.mean(axis=0))
    first, own, last = np.eye(3)
    assert block.variance(first) == pytest.approx(1 / 320**2)
    assert block.variance(first - last) == pytest.approx(2 / 320**2)
    assert block.variance(own) == pytest.approx(Block(values).variance(own))


def test_an_interval_of_shares_near_1_holds_the_truth():
    """Most draws of 320 samples with a share of 0.999 have no sample outside it, so no spread."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        shares = np.stack([rng.random(320) < 0.999, rng.random(320) < 0.995], axis=1).reshape(20, 16, 2).mean(axis=0)
        block = with_least_spread(Block(shares), 1 / 320)
        apart = np.array([1.0, -1.0])
        held += abs(block.mean @ apart - 0.004) < 2.2 * block.variance(apart) ** 0.5
    assert held / 400 > 0.93
