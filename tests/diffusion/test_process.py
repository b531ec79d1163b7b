"""The process against Bayes' rule done by brute force, the schedules' formulas, and the variances' end points."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adm.config.schedules import MAX_BETA, SCHEDULES, cosine_betas, linear_betas
from adm.diffusion.process import Diffusion

T = 50
GRID = np.linspace(-8, 8, 200_001)


def normal(x, mean, variance):
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def moments(density):
    mass = density.sum()
    mean = (GRID * density).sum() / mass
    return mean, ((GRID - mean) ** 2 * density).sum() / mass


def chain(betas, first, last):
    """Scale and variance of x_last given x_first, composed one kernel N(sqrt(1 - beta) x, beta) after the other."""
    scale, variance = 1.0, 0.0
    for beta in betas[first + 1 : last + 1]:
        scale, variance = scale * np.sqrt(1 - beta), variance * (1 - beta) + beta
    return scale, variance


def pixels(*values):
    """One-pixel images, in double precision."""
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def every_t(diffusion):
    return torch.arange(diffusion.num_timesteps)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_marginal_is_the_composition_of_all_kernels(schedule):
    betas = np.array(SCHEDULES[schedule](T))
    diffusion = Diffusion(betas)
    q = diffusion.q_mean_variance(torch.full((T, 1, 1, 1), 0.7, dtype=torch.float64), every_t(diffusion))
    for t in range(T):
        scale, variance = chain(betas, -1, t)
        assert q.mean[t].item() == pytest.approx(0.7 * scale, rel=1e-9)
        assert q.variance[t].item() == pytest.approx(variance, rel=1e-9)
        assert q.log_variance[t].item() == pytest.approx(np.log(variance), rel=1e-9)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize(("steps", "indices"), [(None, (1, 25, 48)), ("7", (1, 3, 5)), ("ddim10", (1, 5, 9))])
def test_posterior_is_bayes_rule_on_the_kernels(schedule, steps, indices):
    betas = np.array(SCHEDULES[schedule](T))
    diffusion = Diffusion.from_schedule(schedule, T, steps)
    x_0, x_t = 0.6, -0.4
    for t in indices:
        now, before = int(diffusion.timesteps[t]), int(diffusion.timesteps[t - 1])
        scale, variance = chain(betas, before, now)
        prior_scale, prior_variance = chain(betas, -1, before)
        mean, spread = moments(normal(x_t, scale * GRID, variance) * normal(GRID, prior_scale * x_0, prior_variance))
        q = diffusion.q_posterior(pixels(x_0), pixels(x_t), torch.tensor([t]))
        assert q.mean.item() == pytest.approx(mean, abs=1e-6)
        assert q.variance.item() == pytest.approx(spread, rel=1e-5)
        assert q.log_variance.item() == pytest.approx(np.log(spread), abs=1e-5)


def test_posterior_at_the_first_timestep_is_x_0():
    q = Diffusion.from_schedule("linear", T).q_posterior(pixels(0.6), pixels(-0.4), torch.tensor([0]))
    assert q.mean.item() == pytest.approx(0.6)
    assert q.variance.item() == 0


@pytest.mark.parametrize("num_timesteps", [10, 100, 1000, 4000])
def test_cosine_schedule_follows_its_formula(num_timesteps):
    betas = np.array(cosine_betas(num_timesteps))
    u = np.arange(num_timesteps + 1) / num_timesteps
    f = np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
    free = betas < MAX_BETA
    assert free[:-1].all()
    np.testing.assert_allclose(np.cumprod(1 - betas)[free], (f[1:] / f[0])[free], rtol=1e-9)
    assert betas.max() <= MAX_BETA


def test_linear_schedule_is_that_of_ddpm_at_a_thousand_steps_and_as_noisy_at_any_other_number():
    betas = np.array(linear_betas(1000))
    np.testing.assert_allclose(betas[[0, -1]], [1e-4, 0.02])
    np.testing.assert_allclose(np.diff(betas), (0.02 - 1e-4) / 999)
    for num_timesteps in (25, 100, 4000):
        assert np.array(linear_betas(num_timesteps)).sum() == pytest.approx(betas.sum())


def posterior_variances(betas):
    """beta~_t by the sum of precisions: that of x_t given x_{t-1} and that of x_{t-1} given x_0."""
    prior = 1 - np.cumprod(1 - betas)[:-1]
    return 1 / ((1 - betas[1:]) / betas[1:] + 1 / prior)


def log_variance(variance, output_v, schedule="linear"):
    diffusion = Diffusion.from_schedule(schedule, T, variance=variance)
    eps = torch.zeros(T, 3, 2, 2, dtype=torch.float64)
    output = eps if output_v is None else torch.cat([eps, torch.full_like(eps, output_v)], dim=1)
    p = diffusion.p_mean_variance(output, eps, every_t(diffusion))
    # beta~_0 itself is zero; only its logarithm takes the value of t = 1.
    exact_zero = slice(1) if variance == "beta_tilde" else slice(0)
    assert (p.variance[exact_zero] == 0).all()
    rest = slice(exact_zero.stop, None)
    torch.testing.assert_close(p.variance[rest], p.log_variance[rest].exp())
    assert p.log_variance.shape == eps.shape
    assert (p.log_variance == p.log_variance[:, :1, :1, :1]).all()
    return p.log_variance[:, 0, 0, 0].numpy()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_learned_variance_runs_from_beta_tilde_to_beta(schedule):
    betas = np.array(SCHEDULES[schedule](T))
    tilde = np.log(posterior_variances(betas))
    # beta~_0 is zero, so that t = 0 takes the logarithm of beta~_1.
    low, high = np.append(tilde[0], tilde), np.log(betas)
    np.testing.assert_allclose(log_variance("learned_range", -1.0, schedule), low, rtol=1e-9)
    np.testing.assert_allclose(log_variance("learned_range", 1.0, schedule), high, rtol=1e-9)
    np.testing.assert_allclose(log_variance("learned_range", 0.0, schedule), (low + high) / 2, rtol=1e-9)
    # Not clamped: beyond the ends it goes on.
    np.testing.assert_allclose(log_variance("learned_range", 3.0, schedule), 2 * high - low, rtol=1e-9)


def test_fixed_variances_are_beta_and_beta_tilde_and_both_take_beta_tilde_1_at_the_end():
    betas = np.array(linear_betas(T))
    tilde = posterior_variances(betas)
    np.testing.assert_allclose(log_variance("beta", None), np.log(np.append(tilde[0], betas[1:])), rtol=1e-9)
    np.testing.assert_allclose(log_variance("beta_tilde", None), np.log(np.append(tilde[0], tilde)), rtol=1e-9)


@given(t=st.integers(0, T - 1), x_t=st.floats(-3, 3), eps=st.floats(-3, 3))
def test_predicted_mean_is_the_posterior_at_the_clipped_x_0(t, x_t, eps):
    diffusion, t = Diffusion.from_schedule("cosine", T, variance="beta"), torch.tensor([t])
    x_t, eps = pixels(x_t), pixels(eps)
    free = diffusion.p_mean_variance(eps, x_t, t, clipping="none")
    clipped = diffusion.p_mean_variance(eps, x_t, t)
    assert clipped.x_0.item() == pytest.approx(min(max(free.x_0.item(), -1), 1))
    for p in (free, clipped):
        torch.testing.assert_close(p.mean, diffusion.q_posterior(p.x_0, x_t, t).mean)
        torch.testing.assert_close(diffusion.q_sample(p.x_0, t, p.eps), x_t)
    torch.testing.assert_close(free.eps, eps, rtol=1e-6, atol=1e-6)
