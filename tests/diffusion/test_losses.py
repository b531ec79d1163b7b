"""Losses and the terms of the likelihood; those of an exact model are in tests/sampling/test_likelihood.py."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from adm.diffusion.losses import (
    discretised_gaussian_nll,
    likelihood_terms,
    prior_bits,
    training_loss,
    vlb_term,
)
from adm.diffusion.process import Diffusion, Gaussian

T = 100
PIXEL_VALUES = torch.arange(256, dtype=torch.float64) / 127.5 - 1


def normals(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def batch():
    """x_0, t, eps and the network's output, which wants gradients."""
    x_0, eps = normals(4, 3, 4, 4, seed=1).clamp(-1, 1), normals(4, 3, 4, 4, seed=2)
    return x_0, torch.tensor([0, 1, 50, 99]), eps, normals(4, 6, 4, 4, seed=3).requires_grad_()


def losses(batch, objective, variance="learned_range"):
    x_0, t, eps, output = batch
    output = output if variance == "learned_range" else output[:, :3]
    diffusion = Diffusion.from_schedule("linear", T, variance=variance)
    return training_loss(diffusion, lambda x_t, timesteps: output, x_0, t, eps, objective)


def test_hybrid_is_simple_plus_a_thousandth_of_the_whole_bound(batch):
    simple, vlb, hybrid = (losses(batch, objective) for objective in ("simple", "vlb", "hybrid"))
    torch.testing.assert_close(vlb["loss"], T * vlb["vlb"])
    assert vlb.keys() == {"loss", "vlb"}
    torch.testing.assert_close(hybrid["mse"], simple["loss"])
    torch.testing.assert_close(hybrid["vlb"], vlb["vlb"])
    torch.testing.assert_close(hybrid["loss"], simple["loss"] + 0.001 * vlb["loss"])


def gradient(batch, objective):
    (found,) = torch.autograd.grad(losses(batch, objective)["loss"].sum(), batch[3])
    return found[:, :3], found[:, 3:]


def test_hybrid_trains_the_mean_by_simple_alone_and_the_variance_by_the_bound_alone(batch):
    simple, hybrid, vlb = (gradient(batch, objective) for objective in ("simple", "hybrid", "vlb"))
    torch.testing.assert_close(hybrid[0], simple[0], rtol=0, atol=0)
    assert (simple[1] == 0).all()
    torch.testing.assert_close(hybrid[1], 0.001 * vlb[1])
    assert (hybrid[1] != 0).any()
    assert (vlb[0] != 0).any()


def test_term_of_the_bound_is_a_divergence_in_bits_but_for_the_first_which_is_a_likelihood(batch):
    x_0, t, eps, output = batch
    diffusion = Diffusion.from_schedule("linear", T)
    x_t = diffusion.q_sample(x_0, t, eps)
    p = diffusion.p_mean_variance(output, x_t, t, clipping="none")
    q = diffusion.q_posterior(x_0, x_t, t)
    # t = 0 is left out: there q has no width.
    normals = [torch.distributions.Normal(side.mean[1:].double(), side.variance[1:].double().sqrt()) for side in (q, p)]
    kl = torch.distributions.kl_divergence(*normals).mean((1, 2, 3)) / math.log(2)
    nll = discretised_gaussian_nll(x_0, p).mean((1, 2, 3)) / math.log(2)
    term = vlb_term(diffusion, p, x_0, x_t, t)
    torch.testing.assert_close(term[1:].double(), kl, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(term[0], nll[0])


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.05), (0.3, 0.3), (-0.9, 0.5), (1.2, 0.4)])
def test_likelihood_is_the_gaussians_mass_in_each_bin_and_the_end_bins_hold_the_tails(mean, std):
    log_variance = torch.full((256,), 2 * math.log(std)).double()
    p = Gaussian(torch.full((256,), mean).double(), log_variance.exp(), log_variance)
    edges = np.concatenate([[-np.inf], PIXEL_VALUES[:-1].numpy() + 1 / 255, [np.inf]])
    # The tanh form of the normal's distribution function is off by 3e-4 at the most, half that a bin's edge.
    np.testing.assert_allclose(
        torch.exp(-discretised_gaussian_nll(PIXEL_VALUES, p)), np.diff(norm.cdf(edges, mean, std)), atol=4e-4
    )


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_a_fixed_variance_has_a_likelihood_too(variance):
    x_0 = (0.1 + 0.12 * normals(4, 3, 8, 8)).clamp(-1, 1)
    diffusion = Diffusion.from_schedule("linear", T, variance=variance)
    learned = Diffusion.from_schedule("linear", T)
    # v = 1 is beta_t and v = 0 is beta~_t, but at t = 0, where beta_t is beta~_1 as a fixed variance.
    v = 1.0 if variance == "beta" else -1.0

    def found(process, output):
        noise = iter([normals(*x_0.shape, seed=seed) for seed in range(T)])
        return [term for term, _ in likelihood_terms(process, lambda x, t: output, x_0, noise)]

    eps = torch.zeros_like(x_0)
    ours, theirs = found(diffusion, eps), found(learned, torch.cat([eps, torch.full_like(eps, v)], dim=1))
    torch.testing.assert_close(torch.stack(ours[:-1]), torch.stack(theirs[:-1]))
    assert ours[-1].isfinite().all()


@pytest.mark.parametrize(("objective", "min_snr"), [("simple", None), ("simple", 5.0), ("hybrid", None), ("vlb", None)])
def test_beside_each_term_of_the_likelihood_is_the_loss_of_training(objective, min_snr):
    x_0 = (0.1 + 0.12 * normals(4, 3, 8, 8)).clamp(-1, 1)
    diffusion = Diffusion.from_schedule("linear", T)

    def denoiser(x, t):
        return torch.cat([0.3 * x, 0.1 * x], dim=1)

    noise = [normals(*x_0.shape, seed=seed) for seed in range(T)]
    pairs = likelihood_terms(diffusion, denoiser, x_0, iter(noise), objective, min_snr)
    for step, eps, (_, loss) in zip(reversed(range(T)), noise, pairs, strict=True):
        t = torch.full((len(x_0),), step)
        expected = training_loss(diffusion, denoiser, x_0, t, eps, objective, min_snr)["loss"]
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-6)


def test_prior_bits_are_what_is_left_of_the_image_at_the_last_timestep():
    x_0 = (0.1 + 0.12 * normals(4, 3, 8, 8)).clamp(-1, 1)
    for num_timesteps, schedule in [(30, "linear"), (1000, "linear"), (1000, "cosine")]:
        diffusion = Diffusion.from_schedule(schedule, num_timesteps)
        left = diffusion.alpha_bar[-1]
        expected = 0.5 * (left * (x_0.double() ** 2).mean((1, 2, 3)) - left - math.log1p(-left)) / math.log(2)
        torch.testing.assert_close(prior_bits(diffusion, x_0).double(), expected, rtol=1e-3, atol=1e-7)
    assert (prior_bits(Diffusion.from_schedule("linear", 1000), x_0) < 1e-4).all()
