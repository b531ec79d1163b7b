"""Which timesteps a sampler visits, and which ones training draws."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adm.config.respacing import respaced_timesteps
from adm.diffusion.timesteps import HISTORY, UNIFORM_SHARE, LossSecondMomentTimesteps, UniformTimesteps


@st.composite
def sections(draw):
    """Lengths of equal sections that fill T, and how many steps each keeps."""
    num_sections = draw(st.integers(1, 6))
    num_timesteps = draw(st.integers(num_sections, 1500))
    size, remainder = divmod(num_timesteps, num_sections)
    lengths = [size + 1] * remainder + [size] * (num_sections - remainder)
    return lengths, [draw(st.integers(1, length)) for length in lengths]


@given(sections())
def test_sections_keep_their_count_and_both_ends_in_strictly_increasing_order(case):
    lengths, counts = case
    chosen = respaced_timesteps(sum(lengths), ",".join(map(str, counts)))
    assert len(chosen) == sum(counts)
    assert all(a < b for a, b in pairwise(chosen))
    start = 0
    for length, count in zip(lengths, counts, strict=True):
        part, chosen = chosen[:count], chosen[count:]
        assert part[0] == start
        assert part[-1] == (start + length - 1 if count > 1 else start)
        # Evenly spread: no gap is two wider than another.
        gaps = [b - a for a, b in pairwise(part)]
        assert not gaps or max(gaps) - min(gaps) <= 2
        start += length


@given(st.integers(1, 1500), st.integers(1, 1500))
def test_ddim_takes_the_least_integer_stride_that_gives_its_number(num_timesteps, stride):
    count = -(-num_timesteps // stride)
    chosen = respaced_timesteps(num_timesteps, f"ddim{count}")
    assert len(chosen) == count
    assert chosen[0] == 0
    assert chosen[-1] < num_timesteps
    found = chosen[1] if count > 1 else num_timesteps
    assert chosen == [found * i for i in range(count)]
    assert found <= stride or count == 1
    if found > 1:
        assert -(-num_timesteps // (found - 1)) != count


def test_every_timestep_is_kept_when_as_many_steps_are_asked_for():
    assert respaced_timesteps(77, "77") == respaced_timesteps(77, "ddim77") == list(range(77))


@pytest.mark.parametrize(
    "steps", ["101", "60,10", "0", "0,0", "ddim70", "ddim101", "ddim0", "ddim", "", "a", "5,", "-3", "1.5", "5,x", "5 "]
)
def test_an_impossible_schedule_is_named(steps):
    with pytest.raises(ValueError, match="steps: ") as error:
        respaced_timesteps(100, steps)
    assert repr(steps) in str(error.value)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(count, seed=0):
    return torch.rand(count, generator=generator(seed), dtype=torch.float64)


HIGHEST = 1 - 2**-53
"""The largest number below 1 that is drawn."""


def filled(losses):
    """A sampler that has seen the loss of each timestep HISTORY times over: losses is (T, HISTORY)."""
    sampler = LossSecondMomentTimesteps(len(losses))
    for column in losses.T:
        sampler.update(torch.arange(len(losses)), column)
    return sampler


def test_uniform_draws_reach_every_timestep_alike_with_unit_weights():
    t, weights = UniformTimesteps(8).draw(uniform(80_000))
    # 10,000 expected of each, with a standard deviation of 94.
    assert (torch.bincount(t, minlength=8) - 10_000).abs().max() < 5 * 94
    assert (weights == 1).all()


def test_importance_sampling_waits_for_ten_losses_of_every_timestep():
    sampler = LossSecondMomentTimesteps(5)
    everywhere = torch.arange(5)
    for _ in range(HISTORY - 1):
        sampler.update(everywhere, everywhere.float())
    sampler.update(everywhere[1:], everywhere[1:].float())
    assert (sampler.probabilities() == 1 / 5).all()
    _, weights = sampler.draw(uniform(100))
    assert (weights == 1).all()
    sampler.update(torch.tensor([0]), torch.tensor([0.5]))
    assert (sampler.probabilities() != 1 / 5).all()


def test_probabilities_follow_the_root_of_the_second_moment():
    losses = torch.rand(6, HISTORY, generator=generator(), dtype=torch.float64) * torch.arange(1, 7)[:, None]
    root = (losses**2).mean(1) ** 0.5
    expected = (1 - UNIFORM_SHARE) * root / root.sum() + UNIFORM_SHARE / 6
    torch.testing.assert_close(filled(losses).probabilities(), expected)


def test_only_the_last_ten_losses_count():
    new = torch.rand(4, HISTORY, generator=generator(1), dtype=torch.float64)
    sampler = filled(torch.full((4, HISTORY), 1e6, dtype=torch.float64))
    for column in new.T:
        sampler.update(torch.arange(4), column)
    torch.testing.assert_close(sampler.probabilities(), filled(new).probabilities())


def test_a_timestep_twice_in_a_batch_counts_twice():
    sampler = LossSecondMomentTimesteps(1)
    sampler.update(torch.zeros(HISTORY, dtype=torch.int64), torch.arange(HISTORY))
    assert sampler.counts.tolist() == [HISTORY]
    assert sampler.losses[0].tolist() == list(range(HISTORY))


def test_weights_keep_the_expected_loss_unbiased():
    loss = torch.tensor([0.1, 1.0, 3.0, 9.0], dtype=torch.float64)
    sampler = filled(loss[:, None].expand(4, HISTORY))
    t, weights = sampler.draw(uniform(50_000))
    # Exactly: what a timestep is drawn more often, it weighs less.
    torch.testing.assert_close(weights.double() * sampler.probabilities()[t], torch.full((50_000,), 0.25).double())
    frequencies = torch.bincount(t, minlength=4) / len(t)
    torch.testing.assert_close(frequencies.double(), sampler.probabilities(), rtol=0, atol=5 * 0.5 / 50_000**0.5)
    weighted = weights.double() * loss[t]
    error = float(weighted.std()) / 50_000**0.5
    assert float(weighted.mean()) == pytest.approx(float(loss.mean()), abs=5 * error + 1e-6)


def test_a_restored_sampler_goes_on_as_the_saved_one_and_shares_nothing_with_it():
    sampler = filled(torch.rand(4, HISTORY, generator=generator(2), dtype=torch.float64))
    restored = LossSecondMomentTimesteps(4)
    restored.restore(sampler.state())
    before = restored.probabilities()
    sampler.update(torch.arange(4), torch.full((4,), 50.0))
    torch.testing.assert_close(restored.probabilities(), before, rtol=0, atol=0)
    restored.update(torch.arange(4), torch.full((4,), 50.0))
    for ours, theirs in zip(restored.draw(uniform(100, 3)), sampler.draw(uniform(100, 3)), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("count", [1, 7, 10, 1000])
@pytest.mark.parametrize("kind", [UniformTimesteps, LossSecondMomentTimesteps])
def test_the_ends_of_the_unit_interval_are_the_first_and_the_last_timestep(kind, count):
    t, weights = kind(count).draw(torch.tensor([0.0, HIGHEST], dtype=torch.float64))
    assert t.tolist() == [0, count - 1]
    assert t.dtype == torch.int64
    assert weights.dtype == torch.float32


def test_a_timestep_takes_its_probability_of_the_unit_interval():
    sampler = filled(torch.tensor([1.0, 3.0, 0.5, 2.0])[:, None].expand(4, HISTORY))
    edges = [0.0, *sampler.probabilities().cumsum(0).tolist()]
    for step, (low, high) in enumerate(pairwise(edges)):
        t, _ = sampler.draw(torch.tensor([low + 1e-12, high - 1e-12], dtype=torch.float64))
        assert t.tolist() == [step, step]
