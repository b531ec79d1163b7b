"""Guidance by a second denoiser and in an interval, on Gaussians whose scores and classifier are known."""

import pytest
import torch

from adm.config.sampling import GuidedSampling
from adm.diffusion.guidance import extrapolated, in_one_batch, in_turn, within
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDPM, classifier_gradient, last, sample, slope_of

T = 50
PROCESS = Diffusion.from_schedule("cosine", T, variance="beta")
MEANS = torch.tensor([-0.4, 0.1, 0.3], dtype=torch.float64)
"""Of three classes, equally frequent, each a Gaussian of variance V in every pixel."""

V = 0.09
SHAPE = (3, 2, 2)


def mean_and_variance(t):
    alpha_bar = torch.from_numpy(PROCESS.alpha_bar)[t].view(-1, 1, 1, 1)
    return alpha_bar.sqrt(), alpha_bar * V + 1 - alpha_bar, (1 - alpha_bar).sqrt()


def log_joint(x, t):
    """log p(x_t, y) of each class up to a constant: (B, 3)."""
    root, variance, _ = mean_and_variance(t)
    return torch.stack([-((x - root * m) ** 2 / (2 * variance)).sum((1, 2, 3)) for m in MEANS], dim=1)


def denoiser(y):
    """The exact eps given classes, or where y is negative given none."""

    def eps(x, t):
        root, variance, noise = mean_and_variance(t)
        of_class = torch.stack([noise * (x - root * m) / variance for m in MEANS], dim=1)
        posterior = log_joint(x, t).softmax(1).view(-1, 3, 1, 1, 1)
        rows = torch.arange(len(x))
        known = (y >= 0).view(-1, 1, 1, 1)
        return torch.where(known, of_class[rows, y.clamp(min=0)], (posterior * of_class).sum(1))

    return eps


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    return torch.randn(6, *SHAPE, generator=draws, dtype=torch.float64), torch.arange(6) % 3


NONE = torch.full((6,), -1)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("t", [0, 10, 30])
def test_classifier_free_guidance_is_guidance_of_the_unconditional_model_by_the_implied_classifier(batch, scale, t):
    """The gradient of log p(y | x) comes from autograd on the exact posterior, eps from the exact scores."""
    x, y = batch
    steps = torch.full((6,), t)
    pair = in_one_batch(denoiser(torch.cat([y, NONE])))
    found = extrapolated(pair, scale)(x, steps)
    gradient = classifier_gradient(slope_of(log_joint), y, scale)(x, steps)
    noise = mean_and_variance(steps)[2]
    torch.testing.assert_close(found, denoiser(NONE)(x, steps) - noise * gradient)


@pytest.mark.parametrize("scale", [1.5, 4.0])
def test_a_wider_gaussian_guides_a_gaussian_to_the_gaussian_of_their_quotient(batch, scale):
    """p^s / q^(s-1) of two Gaussians at one noise level is a Gaussian; its score is written down directly."""
    x, _ = batch
    mean, own, wide = 0.2, 0.5, 2.0

    def score(variance):
        return lambda x, t: (x - mean) / variance  # eps at a noise level of one

    found = extrapolated(in_turn(score(own), score(wide)), scale)(x, torch.zeros(6))
    precision = scale / own - (scale - 1) / wide
    torch.testing.assert_close(found, precision * (x - mean))


def test_the_variance_is_that_of_the_guided_denoiser_whatever_the_guide_learned(batch):
    x, _ = batch
    draws = torch.Generator().manual_seed(1)
    guided, guide = torch.randn(2, 6, 6, 2, 2, generator=draws, dtype=torch.float64)
    steps = torch.zeros(6)
    for of_guide in (guide, guide[:, :3]):
        pair = in_turn(lambda x, t: guided, lambda x, t, found=of_guide: found)
        found = extrapolated(pair, 2.0)(x, steps)
        assert torch.equal(found[:, 3:], guided[:, 3:])
        torch.testing.assert_close(found[:, :3], 2 * guided[:, :3] - guide[:, :3])


class Counted:
    """A function that remembers the timesteps it was called at."""

    def __init__(self, function):
        self.function, self.seen = function, []

    def __call__(self, x, t):
        self.seen.append(int(t[0]))
        return self.function(x, t)


def guided_at(low, high, timesteps=T):
    """The timesteps of an interval."""
    return GuidedSampling(num_samples=1, cfg_scale=2.0, guidance_interval=[low, high]).guided_at(timesteps)


@pytest.mark.parametrize("sampler", [DDPM, DDIM])
def test_outside_the_interval_no_guide_and_no_classifier_is_called(batch, sampler):
    x, y = batch
    process = Diffusion.from_schedule("cosine", T, "10", variance="beta")
    interval = guided_at(0.3, 0.6)
    seen = [t for t in process.timesteps.tolist() if 15 <= t <= 30]
    assert 0 < len(seen) < 10
    main, guide, classifier = Counted(denoiser(y)), Counted(denoiser(NONE)), Counted(log_joint)
    guided = within(interval, extrapolated(in_turn(main, guide), 2.0), main)
    step = sampler(process, guided, within(interval, classifier_gradient(slope_of(classifier), y, 1.0)))
    last(sample(step, x, lambda: torch.zeros_like(x)))
    assert guide.seen == classifier.seen == seen[::-1]
    assert main.seen == process.timesteps.tolist()[::-1]


def test_decimal_ends_of_an_interval_hold_their_timesteps():
    for tenths in range(1000):
        assert guided_at(tenths / 1000, (tenths + 0.5) / 1000, 1000) == {tenths}
    assert guided_at(0.0, 0.29, 100) == set(range(30))
