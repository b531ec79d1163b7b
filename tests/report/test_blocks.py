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
