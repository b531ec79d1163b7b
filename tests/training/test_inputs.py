"""What updates compute on: a function of seed, step and row, made ahead in order, with its errors."""

import threading

import numpy as np
import pytest
import torch

from adm.data.batches import Batches, to_unit_range
from adm.errors import UserError
from adm.parallel import CPU
from adm.training.inputs import Noise, ahead, inputs

SHAPE = (3, 8, 8)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_noise_of_parts_put_together_is_that_of_the_batch(parts):
    whole, share = Noise.of(7, 4, range(10), SHAPE, 1000), 10 // parts
    pieces = [Noise.of(7, 4, range(start, start + share), SHAPE, 1000) for start in range(0, 10, share)]
    for index, expected in enumerate(whole):
        assert torch.equal(torch.cat([piece[index] for piece in pieces]), expected)


def test_noise_differs_by_seed_step_and_row_and_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    drawn = [Noise.of(seed, step, range(3), SHAPE, 10**9) for seed, step in ((7, 4), (7, 5), (8, 4))]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len({int(t) for noise in drawn for t in noise.t}) == 9
    assert len({tuple(eps.flatten().tolist()) for noise in drawn for eps in noise.eps}) == 9


def test_noise_is_uniform_and_normal():
    noise = Noise.of(0, 0, range(4000), (1, 4, 4), 5)
    assert noise.t.dtype == torch.int64
    assert noise.eps.dtype == torch.float32
    # Five standard deviations of a mean, and of a variance.
    assert noise.t.bincount().tolist() == pytest.approx([800] * 5, abs=5 * (4000 * 0.2 * 0.8) ** 0.5)
    assert float(noise.eps.mean()) == pytest.approx(0.0, abs=5 / noise.eps.numel() ** 0.5)
    assert float(noise.eps.var()) == pytest.approx(1.0, abs=5 * (2 / noise.eps.numel()) ** 0.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_inputs_are_the_rows_of_each_step_with_their_noise(dataset, channels):
    batches = Batches(dataset, 8, 10, "centre", True, seed=4, channels=channels)
    made = list(inputs(batches, range(2, 5), range(4, 8), CPU, 4, 1000))
    assert len(made) == 3
    for step, (x_0, y, noise) in enumerate(made, start=2):
        expected, labels = batches.at(step, slice(4, 8))
        assert torch.equal(x_0, expected)
        assert torch.equal(y, labels)
        for a, b in zip(noise, Noise.of(4, step, range(4, 8), (channels, 8, 8), 1000), strict=True):
            assert torch.equal(a, b)


def test_every_level_of_a_pixel_is_the_correctly_rounded_quotient():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    exact = (levels.astype(np.float64) / 127.5).astype(np.float32) - np.float32(1)
    assert np.array_equal(to_unit_range(levels).numpy(), exact.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_what_is_made_ahead_comes_in_order_and_never_more_than_that_early(depth):
    asked, made = 0, []

    def make(step):
        made.append(step)
        assert len(made) <= asked + depth
        return step * step

    results = ahead(make, range(20), depth)
    for step in range(20):
        asked = step + 1
        assert next(results) == step * step
    assert list(results) == []
    assert made == list(range(20))


def test_an_error_is_raised_after_what_was_made_before_it():
    def make(step):
        if step == 3:
            raise UserError("image 3 is damaged")
        return step

    results = ahead(make, range(9), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError, match="image 3 is damaged"):
        next(results)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, GeneratorExit])
def test_no_thread_is_left_when_the_caller_stops(interrupt):
    before, made = threading.active_count(), []
    results = ahead(made.append, range(1000), 2)
    next(results)
    with pytest.raises(interrupt):
        results.throw(interrupt)
    assert threading.active_count() == before
    assert len(made) < 1000
