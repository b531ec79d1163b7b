"""Samplers against a model that is known exactly: data of independent Gaussian pixels, x_0 ~ N(m, s^2).

Then x_0 | x_t is Gaussian too, and the best denoiser, the noisy classifier of a linear or quadratic log p(y | x_0) and
the guided distribution all have closed forms. m and s are small enough for no prediction to reach the clip at +-1.
"""

from functools import partial

import numpy as np
import pytest
import torch
from denoising import Draws, wavy

from adm.config.schedules import SCHEDULES
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDPM, classifier_gradient, sample, slope_of
from adm.machine import cpp_compiler
from adm.nets.programs import compiled

M = torch.tensor([-0.2, 0.0, 0.3]).view(1, 3, 1, 1)
S = 0.1
SHAPE = (4, 3, 64, 64)
FEWER = (4, 3, 32, 32)
"""Where a thousand steps are taken."""

DISCRETISATION = 0.02
"""What a thousand steps of first order may distort, relative to s: their largest beta is 0.02."""


class GaussianData:
    """The oracle of the process of a schedule, from its formula alone."""

    def __init__(self, schedule, num_timesteps=1000, mean=M, std=S):
        self.alpha_bar = torch.from_numpy(np.cumprod(1 - np.array(SCHEDULES[schedule](num_timesteps))))
        self.m, self.s = mean, std

    def x_0_given(self, x_t, timesteps):
        """Mean, variance and slope d mean / d x_t of x_0 given x_t."""
        alpha_bar = self.alpha_bar[timesteps].view(-1, 1, 1, 1)
        variance = 1 / (1 / self.s**2 + alpha_bar / (1 - alpha_bar))
        slope = variance * alpha_bar.sqrt() / (1 - alpha_bar)
        return self.m * variance / self.s**2 + slope * x_t, variance, slope

    def __call__(self, x_t, timesteps):
        """The best eps."""
        alpha_bar = self.alpha_bar[timesteps].view(-1, 1, 1, 1)
        x_0, _, _ = self.x_0_given(x_t, timesteps)
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    def exact(self, diffusion):
        """A network whose eps and learned variance are those of x_{t-1} given x_t in the respaced process."""
        kept = diffusion.timesteps.tolist()

        def network(x_t, timesteps):
            index = kept.index(int(timesteps[0]))
            now, before, tilde_at = self.alpha_bar[kept[index]], 1.0, max(index, 1)
            if index:
                before = self.alpha_bar[kept[index - 1]]
            beta = 1 - now / before
            variance = 1 / (1 / (before * self.s**2 + 1 - before) + (1 - beta) / beta)
            # beta~_0 is 0: its logarithm takes the value of t = 1.
            end, start = self.alpha_bar[kept[tilde_at]], self.alpha_bar[kept[tilde_at - 1]]
            tilde = (1 - end / start) * (1 - start) / (1 - end)
            v = torch.log(variance / tilde) / torch.log(beta / tilde)
            return torch.cat([self(x_t, timesteps), torch.full_like(x_t, 2 * v - 1)], dim=1)

        return network

    def linear_gradient(self, a):
        """Of p(y | x_0) proportional to exp(a x_0)."""
        return lambda x_t, timesteps: (a * self.x_0_given(x_t, timesteps)[2]).expand_as(x_t).float()

    def quadratic_gradient(self, c, r):
        """Of p(y | x_0) proportional to exp(-(x_0 - c)^2 / 2 r^2)."""

        def gradient(x_t, timesteps):
            mean, variance, slope = self.x_0_given(x_t, timesteps)
            return (slope * (c - mean) / (variance + r**2)).float()

        return gradient


def no_noise():
    raise AssertionError("noise was drawn")


def final(step, seed=0, shape=SHAPE):
    draws = Draws(shape, seed)
    *_, x_0 = sample(step, draws(), draws)
    return x_0


def assert_distributed(x, mean, std, distortion=0.0):
    """Every channel has the mean and the standard deviation, but for chance and a distortion relative to s."""
    found = x.double().transpose(0, 1).flatten(1)
    error = 5 * S / found.shape[1] ** 0.5  # five standard errors of a channel's mean, and of its deviation
    assert (found.mean(1) - torch.as_tensor(mean).flatten()).abs().max() < error + distortion * S
    assert (found.std(1) - std).abs().max() < error / 2**0.5 + distortion * S


def process(schedule, steps=None, variance="beta_tilde"):
    return Diffusion.from_schedule(schedule, 1000, steps, variance)


def last_std(schedule):
    """Standard deviation of the last image: the last step returns the mean of x_0, without its variance."""
    alpha_bar = GaussianData(schedule).alpha_bar[0]
    return S / (1 + (1 - alpha_bar) / (alpha_bar * S**2)) ** 0.5


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", ["5", "40", "10,3,3"])
def test_ancestral_sampling_with_the_right_variance_is_exact_in_however_few_steps(schedule, steps):
    diffusion = process(schedule, steps, "learned_range")
    x = final(DDPM(diffusion, GaussianData(schedule).exact(diffusion)))
    assert_distributed(x, M, last_std(schedule))


@pytest.mark.parametrize(("schedule", "eta"), [("linear", 0.0), ("cosine", 0.0), ("linear", 0.5)])
def test_ddim_reproduces_the_data(schedule, eta):
    x = final(DDIM(process(schedule), GaussianData(schedule), eta=eta), shape=FEWER)
    assert_distributed(x, M, S, DISCRETISATION)


A = 15.0
"""Of the log-linear classifier: N(m, s^2) exp(A x) is N(m + A s^2, s^2), 1.5 standard deviations away."""

C, R = 0.2, 0.1
"""Of the log-quadratic classifier, whose product with the data has these moments."""
PRODUCT_VARIANCE = 1 / (1 / S**2 + 1 / R**2)
PRODUCT_MEAN = PRODUCT_VARIANCE * (M / S**2 + C / R**2)


def algorithm_1(data, gradient):
    diffusion = process("linear", None, "learned_range")
    return final(DDPM(diffusion, data.exact(diffusion), gradient), shape=FEWER)


@pytest.mark.slow
def test_algorithm_1_shifts_and_narrows_the_data_as_bayes_says():
    # Its gradient lags one timestep behind, which costs a little more.
    data = GaussianData("linear")
    shifted = algorithm_1(data, data.linear_gradient(A))
    assert_distributed(shifted, M + A * S**2, S, 0.05)
    narrowed = algorithm_1(data, data.quadratic_gradient(C, R))
    assert_distributed(narrowed, PRODUCT_MEAN, PRODUCT_VARIANCE**0.5, 0.05)


@pytest.mark.slow
def test_algorithm_2_shifts_and_narrows_the_data_as_bayes_says():
    data = GaussianData("linear")
    shifted = final(DDIM(process("linear"), data, data.linear_gradient(A)), shape=FEWER)
    assert_distributed(shifted, M + A * S**2, S, DISCRETISATION)
    narrowed = final(DDIM(process("linear"), data, data.quadratic_gradient(C, R)), shape=FEWER)
    assert_distributed(narrowed, PRODUCT_MEAN, PRODUCT_VARIANCE**0.5, DISCRETISATION)


def both_ends(step, x_t, t, z):
    """One transition without noise and with noise z."""
    return step(x_t, t, lambda: torch.zeros_like(z)), step(x_t, t, lambda: z)


@pytest.fixture
def doubles():
    """x_t and noise in double precision."""
    draws = Draws((2, 3, 4, 4), dtype=torch.float64)
    return draws(), draws()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_ddim_at_eta_1_is_ancestral_sampling_with_beta_tilde(schedule, doubles):
    x_t, z = doubles
    diffusion = process(schedule, "40")
    for t in range(40):
        ancestral = DDPM(diffusion, wavy)(x_t, t, lambda: z)
        torch.testing.assert_close(DDIM(diffusion, wavy, eta=1.0)(x_t, t, lambda: z), ancestral, rtol=1e-6, atol=1e-8)


def test_ddim_noise_grows_with_eta_and_none_is_drawn_without(doubles):
    x_t, z = doubles
    diffusion = process("linear", "40")
    size = [(n - m).norm() for m, n in (both_ends(DDIM(diffusion, wavy, eta=e), x_t, 20, z) for e in (0.25, 0.5, 1.0))]
    torch.testing.assert_close(torch.stack(size), size[-1] * torch.tensor([0.25, 0.5, 1.0]).double())
    DDIM(diffusion, wavy)(x_t, 20, no_noise)


@pytest.mark.parametrize("kind", [DDPM, DDIM])
def test_noise_temperature_scales_the_injected_noise_alone(kind, doubles):
    x_t, z = doubles
    diffusion = process("linear", "40")
    options = {"eta": 0.7} if kind is DDIM else {}
    mean, noisy = both_ends(kind(diffusion, wavy, **options), x_t, 20, z)
    cool_mean, cool = both_ends(kind(diffusion, wavy, noise_temperature=0.3, **options), x_t, 20, z)
    assert torch.equal(cool_mean, mean)
    torch.testing.assert_close(cool - mean, 0.3 * (noisy - mean))


@pytest.mark.parametrize("kind", [DDPM, DDIM])
def test_epsilon_temperature_divides_eps(kind, doubles):
    x_t, z = doubles
    diffusion = process("linear", "40")
    cooled = kind(diffusion, wavy, epsilon_temperature=0.5)(x_t, 20, lambda: z)
    # A power of two, so that both roads round alike.
    doubled = kind(diffusion, lambda x, t: 2 * wavy(x, t))(x_t, 20, lambda: z)
    torch.testing.assert_close(cooled, doubled, rtol=0, atol=0)
    assert not torch.allclose(cooled, kind(diffusion, wavy)(x_t, 20, lambda: z))


@pytest.mark.parametrize("kind", [DDPM, DDIM])
def test_no_noise_is_drawn_at_the_last_step(kind):
    options = {"eta": 1.0} if kind is DDIM else {}
    step = kind(process("linear", "6"), wavy, **options)
    draws = Draws((1, 3, 2, 2))
    step(draws(), 0, no_noise)
    images = list(sample(step, draws(), draws))
    assert len(images) == 6
    assert draws.count == 2 + 5


def test_a_sampler_that_needs_noise_says_so_when_it_has_no_source():
    with pytest.raises(RuntimeError, match="draws noise"):
        list(sample(DDPM(process("linear", "6"), wavy), torch.zeros(1, 3, 2, 2)))


def logits_of(layer, x, timesteps):
    return layer(torch.tanh(x.flatten(1))) + timesteps[:, None] / 100


@pytest.mark.slow
@pytest.mark.xdist_group("compiler")  # on one worker, which tries once what the compiler can
@pytest.mark.skipif(cpp_compiler() is None, reason="torch's compiler needs a C++ compiler")
@pytest.mark.usefixtures("programs")
def test_the_compiled_slope_is_that_of_the_classifier():
    """Also of one that is sure of a class."""
    draws = Draws((2, 3, 4, 4), seed=4)
    layer, x, timesteps = torch.nn.Linear(48, 5).requires_grad_(False), draws(), torch.tensor([30, 30])

    logits = partial(logits_of, layer)
    y = torch.tensor([1, 4])
    for sure in (0.0, 40.0):
        layer.bias[1] = sure
        program = compiled(slope_of(logits), layer)
        with torch.no_grad():
            expected, found = slope_of(logits)(x, timesteps, y), program(x, timesteps, y)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_classifier_gradient_is_the_slope_of_log_p():
    draws = Draws((3, 48), seed=3, dtype=torch.float64)
    first, second = draws().T / 7, torch.randn(3, 5, generator=draws.generator, dtype=torch.float64)

    def logits(x, timesteps):
        return torch.tanh(x.flatten(1) @ first + timesteps[:, None] / 100) @ second

    x, y, t = torch.randn(2, 3, 4, 4, generator=draws.generator, dtype=torch.float64), torch.tensor([1, 4]), 30
    timesteps = torch.tensor([t, t])
    with torch.no_grad():  # as samplers call it
        gradient = classifier_gradient(slope_of(logits), y, scale=2.5)(x, timesteps)
    assert not gradient.requires_grad

    def log_p(x):
        # exp and sum by hand: the slope is that of the definition.
        scores = logits(x, timesteps)
        return scores[[0, 1], y] - scores.exp().sum(1).log()

    h = 1e-5
    for pixel in [(0, 0, 0), (1, 2, 3), (2, 3, 1)]:
        nudge = torch.zeros_like(x)
        nudge[(slice(None), *pixel)] = h
        slope = 2.5 * (log_p(x + nudge) - log_p(x - nudge)) / (2 * h)
        torch.testing.assert_close(gradient[(slice(None), *pixel)], slope, rtol=1e-5, atol=1e-6)


def test_guidance_shifts_nothing_where_a_step_has_no_variance():
    process = Diffusion.from_schedule("linear", 1000, "10", "beta_tilde")
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    plain, guided = (
        DDPM(process, lambda x, t: 0.1 * x, *slope) for slope in ((), (lambda x, t: torch.full_like(x, 1e3),))
    )
    assert torch.equal(guided(x, 0, None), plain(x, 0, None))
