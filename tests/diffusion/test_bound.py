"""The bound from pairs of timesteps: that of every process, and the least of all subsets."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adm.diffusion.bound import PairTerms, pair_terms
from adm.diffusion.losses import likelihood_terms, prior_bits
from adm.diffusion.process import Diffusion

T = 9
BETAS = np.linspace(0.01, 0.5, T)


def normals(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def drawn_terms(size, seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(np.ones((size, size), bool), 1)
    between, decoder = (np.where(upper, rng.exponential(size=(size, size)), np.inf) for _ in range(2))
    return PairTerms(between, decoder, *rng.exponential(size=(2, size)))


@given(st.integers(1, 8), st.integers(0, 2**32))
def test_the_optimum_of_every_number_of_steps_is_the_best_of_all_subsets(size, seed):
    terms = drawn_terms(size, seed)
    visited = terms.optima()
    assert visited.sum(axis=1).tolist() == list(range(1, size + 1))
    for count, row in enumerate(visited, start=1):
        best = min(combinations(range(size), count), key=terms.bound)
        assert terms.bound(np.flatnonzero(row).tolist()) == pytest.approx(terms.bound(best), rel=1e-12)


def test_as_many_steps_as_timesteps_are_all_of_them():
    assert drawn_terms(6, 0).optima()[-1].all()


def test_where_steps_can_only_help_the_bound_never_rises_with_their_number():
    # A divergence that grows faster than the distance: every further step divides one.
    t = np.arange(7.0)
    gaps = t[None, :] - t[:, None]
    between = np.where(gaps > 0, gaps**2, np.inf)
    terms = PairTerms(between, np.where(gaps > 0, t[:, None] ** 2, np.inf), t**2, (t[-1] - t) ** 2)
    bounds = [terms.bound(np.flatnonzero(row).tolist()) for row in terms.optima()]
    assert (np.diff(bounds) <= 0).all()
    # A path from -0 to 6 over two places, in three equal parts.
    assert bounds[1] == 3 * 2.0**2


def wavy(x_t, t):
    """A denoiser with a learned variance that depends on everything it sees."""
    eps = torch.tanh(0.7 * x_t + 0.1 * torch.sin(t.float() / 5).view(-1, 1, 1, 1))
    return torch.cat([eps, torch.sin(3 * x_t + t.float().view(-1, 1, 1, 1) / 3)], dim=1)


@pytest.fixture(params=["learned_range", "beta", "beta_tilde"])
def variance(request):
    return request.param


@pytest.fixture
def measured(variance):
    """The terms of three images, their mean, and the bound of a process with the same noise at each timestep."""
    x_0 = normals(3, 2, 4, 4, seed=1).clamp(-1, 1)
    noise = {t: normals(3, 2, 4, 4, seed=10 + t) for t in range(T)}

    def denoiser(x_t, t):
        return wavy(x_t, t) if variance == "learned_range" else wavy(x_t, t)[:, :2]

    def direct(chosen):
        diffusion = Diffusion(BETAS, list(chosen), variance)
        terms = likelihood_terms(diffusion, denoiser, x_0, (noise[t] for t in reversed(chosen)))
        prior = prior_bits(diffusion, x_0.double())
        return float((torch.stack([term.vlb for term in terms]).sum(0) + prior).mean())

    def found(timesteps):
        draws = (noise[t] for t in reversed(timesteps))
        return pair_terms(BETAS, timesteps, variance, denoiser, x_0, draws) / 3

    return found, direct


def test_the_bound_of_any_process_is_the_sum_of_its_pairs(measured):
    found, direct = measured
    terms = found(range(T))
    for chosen in [(0,), (8,), (0, 8), (3, 4), (1, 4, 5), (0, 2, 3, 7), tuple(range(T))]:
        assert terms.bound(chosen) == pytest.approx(direct(chosen), rel=1e-9), chosen


def test_terms_among_some_timesteps_are_those_of_all(measured):
    found, _ = measured
    whole, kept = found(range(T)), [1, 4, 7]
    some = found(kept)
    for name in ("between", "decoder"):
        np.testing.assert_allclose(getattr(some, name), getattr(whole, name)[np.ix_(kept, kept)], rtol=1e-9)
    np.testing.assert_allclose(some.alone, whole.alone[kept], rtol=1e-9)
    np.testing.assert_allclose(some.prior, whole.prior[kept], rtol=1e-9)


M, S = 0.1, 0.12


def exact(x_t, t):
    """The denoiser of independent N(M, S^2) pixels."""
    now = float(np.cumprod(1 - BETAS)[int(t[0])])
    return math.sqrt(1 - now) * (x_t - math.sqrt(now) * M) / (now * S**2 + 1 - now)


def test_terms_of_an_exact_denoiser_have_their_closed_form():
    x_0 = M + S * normals(100, 3, 16, 16, seed=1)
    draws = (normals(100, 3, 16, 16, seed=10 + t) for t in reversed(range(T)))
    terms = pair_terms(BETAS, range(T), "beta_tilde", exact, x_0, draws) / 100
    alpha_bar = np.cumprod(1 - BETAS)
    ratio = alpha_bar / (1 - alpha_bar)
    error = 1 / (1 / S**2 + ratio)
    for t in range(T):
        # With the posterior's variance only means differ: half the loss of signal to noise, times the error of x_0.
        expected = (ratio[:t] - ratio[t]) * error[t] / 2 / math.log(2)
        np.testing.assert_allclose(terms.between[:t, t], expected, rtol=0.05)
        prior = (alpha_bar[t] * (M**2 + S**2) - alpha_bar[t] - math.log(1 - alpha_bar[t])) / 2 / math.log(2)
        assert terms.prior[t] == pytest.approx(prior, rel=0.05)


def test_more_steps_of_an_exact_denoiser_lower_the_least_bound_while_they_divide_another():
    x_0 = M + S * normals(100, 3, 16, 16, seed=1)
    draws = (normals(100, 3, 16, 16, seed=10 + t) for t in reversed(range(T)))
    terms = pair_terms(BETAS, range(T), "beta", exact, x_0, draws) / 100
    visited = terms.optima()
    bounds = [terms.bound(np.flatnonzero(row).tolist()) for row in visited]
    # The last timestep to be visited is the first one, of which the decoder's variance is far too small.
    assert not visited[-2][0]
    assert (np.diff(bounds[:-1]) < 0).all()


def test_a_term_that_is_no_number_is_told_by_its_timestep():
    terms = drawn_terms(5, 0)
    assert terms.lost() == []
    terms.between[1, 3] = np.nan
    terms.decoder[2, 4] = np.inf
    assert terms.lost() == [2, 3]
