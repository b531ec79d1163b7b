"""Solvers against the exact solution of the diffusion ODE, and against diffusers.

Pixels are independent draws from a mixture of Gaussians. In one dimension the ODE keeps each point at its quantile, so
the solution from one level of noise to another maps quantiles to quantiles.
"""

from functools import partial

import numpy as np
import pytest
import torch
from denoising import Draws, sampler_of, wavy
from hypothesis import given
from hypothesis import strategies as st

from adm.config.samplers import SAMPLERS
from adm.config.schedules import LARGEST_SIGMA, SCHEDULES, number_of_steps, respaced_timesteps
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, last, sample
from adm.diffusion.solvers import DPMSolverPP, Heun, UniPC

ABSENT = "diffusers is not installed: `make rivals`"


class Mixture:
    """The oracle of a process over pixels from sum_k w_k N(m_k, s_k^2), by the process's own alpha_bar."""

    def __init__(self, alpha_bar, w=(0.3, 0.7), m=(-0.5, 0.4), s=(0.15, 0.1)):
        self.alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float64)
        self.w, self.m, self.s = (torch.tensor(values, dtype=torch.float64) for values in (w, m, s))

    def level(self, t):
        """Means and variances of the components of x_t; of the data at None."""
        alpha_bar = torch.ones((), dtype=torch.float64) if t is None else self.alpha_bar[t]
        return alpha_bar.sqrt() * self.m, alpha_bar * self.s**2 + 1 - alpha_bar

    def __call__(self, x_t, timesteps):
        """The best eps."""
        alpha_bar = self.alpha_bar[int(timesteps[0])]
        mean, variance = self.level(int(timesteps[0]))
        apart = x_t.double()[..., None] - mean
        weight = (self.w.log() - 0.5 * (apart**2 / variance + variance.log())).softmax(-1)
        score = -(weight * apart / variance).sum(-1)
        return (-(1 - alpha_bar).sqrt() * score).to(x_t.dtype)

    def quantile_of(self, x, t):
        mean, variance = self.level(t)
        return (self.w * torch.special.ndtr((x[..., None] - mean) / variance.sqrt())).sum(-1)

    def moved(self, x, start, end):
        """The exact solution of the ODE from x at one level, by bisection."""
        wanted, low, high = self.quantile_of(x, start), torch.full_like(x, -20.0), torch.full_like(x, 20.0)
        for _ in range(80):
            middle = (low + high) / 2
            below = self.quantile_of(middle, end) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2


def even_process(steps, least=-3.0, most=4.0):
    """A process of as many timesteps, evenly spaced in lambda, with nothing else between them."""
    alpha_bar = 1 / (1 + np.exp(-2 * np.linspace(most, least, steps)))
    return Diffusion(1 - alpha_bar / np.append(1.0, alpha_bar[:-1]), None, "beta")


POINTS = torch.linspace(-2, 2, 41, dtype=torch.float64).view(1, 1, 1, -1)
"""Where trajectories begin, in double precision."""

SOLVERS = {"DDIM": DDIM, "2M": DPMSolverPP, "UniPC-2": UniPC, "UniPC-3": partial(UniPC, order=3), "Heun": Heun}
"""Those of the ODE."""


def error(solver, steps):
    """The largest error at the last level that has noise; from there to the image each solver takes DDIM's step."""
    diffusion = even_process(steps)
    data = Mixture(diffusion.alpha_bar)
    *_, found, _ = sample(solver(diffusion, data, clipping="none"), POINTS)
    return float((found - data.moved(POINTS, steps - 1, 0)).abs().max())


# UniC adds one to the order of UniP. Of UniPC-3 the first and the last steps have fewer points, and so a lower order.
@pytest.mark.parametrize(("name", "order"), [("DDIM", 1), ("2M", 2), ("UniPC-2", 3), ("UniPC-3", 3), ("Heun", 2)])
def test_errors_fall_by_the_order_of_the_solver(name, order):
    fewer, more = (error(SOLVERS[name], steps) for steps in (80, 320))
    assert np.log2(fewer / more) / 2 == pytest.approx(order, abs=0.35)


M, S, A = 0.1, 0.1, 20.0
"""Of data N(m, s^2) and of a classifier proportional to exp(a x_0), which makes it N(m + a s^2, s^2)."""


@pytest.mark.parametrize("name", SOLVERS)
def test_guidance_solves_the_ode_of_the_data_that_it_makes(name):
    diffusion = even_process(12)
    plain, shifted = (Mixture(diffusion.alpha_bar, (1.0,), (mean,), (S,)) for mean in (M, M + A * S**2))

    def gradient(x_t, timesteps):
        alpha_bar = plain.alpha_bar[int(timesteps[0])]
        variance = 1 / (1 / S**2 + alpha_bar / (1 - alpha_bar))
        return torch.full_like(x_t, float(A * variance * alpha_bar.sqrt() / (1 - alpha_bar)))

    guided = last(sample(SOLVERS[name](diffusion, plain, gradient, clipping="none"), POINTS))
    free = last(sample(SOLVERS[name](diffusion, shifted, None, clipping="none"), POINTS))
    torch.testing.assert_close(guided, free)
    unguided = last(sample(SOLVERS[name](diffusion, plain, None, clipping="none"), POINTS))
    assert (guided - unguided).min() > A * S**2 / 2


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_what_draws_noise_keeps_the_distribution_of_the_data(eta):
    diffusion, draws = even_process(40), Draws((1, 1, 100, 300), dtype=torch.float64)
    data = Mixture(diffusion.alpha_bar)
    *_, found, _ = sample(DPMSolverPP(diffusion, data, eta=eta), draws(), draws)
    assert draws.count > 10
    ranks = data.quantile_of(found.flatten().sort().values, 0)
    even = (torch.arange(len(ranks)) + 0.5) / len(ranks)
    # Kolmogorov's bound, exceeded once in a million, and as much again for steps of finite length.
    assert (ranks - even).abs().max() < 2 * 2.7 / len(ranks) ** 0.5


def process(steps, schedule="linear"):
    return Diffusion.from_schedule(schedule, 1000, steps, "beta")


@pytest.fixture
def doubles():
    """x_t and noise in double precision."""
    draws = Draws((2, 3, 4, 4), dtype=torch.float64)
    return draws(), draws()


def pulled(x, timesteps):
    """The gradient of a classifier that pulls predicted images far outside [-1, 1]."""
    return (3 * torch.cos(4 * x) + timesteps.view(-1, 1, 1, 1) / 1000).to(x.dtype)


@pytest.mark.parametrize("clipping", ["static", "none"])
@pytest.mark.parametrize(("gradient", "order"), [(None, "before"), (pulled, "before"), (pulled, "after")])
def test_the_first_order_of_solvers_is_ddim_guided_or_not(doubles, gradient, order, clipping):
    x_t, z = doubles
    diffusion = process("logsnr10", "cosine")
    given, how = (diffusion, wavy, gradient), {"clipping": clipping, "clipping_order": order}
    for step in range(10):
        # A fresh multistep solver has no step before, and takes one of first order.
        euler, ancestral = (DDIM(*given, eta=eta, **how)(x_t, step, lambda: z) for eta in (0.0, 1.0))
        for solver, expected in (
            (DPMSolverPP(*given, **how), euler),
            (UniPC(*given, **how), euler),
            (DPMSolverPP(*given, eta=1.0, **how), ancestral),
        ):
            torch.testing.assert_close(solver(x_t, step, lambda: z), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        Heun(*given, **how)(x_t, 0, lambda: z), DDIM(*given, **how)(x_t, 0, lambda: z), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", [name for name, sampler in SAMPLERS.items() if "clipping_order" in sampler.fields])
def test_the_order_of_clipping_is_that_of_guidance(name):
    x_T = Draws((2, 3, 8, 8))()
    ends = {}
    for order in ("before", "after"):
        for gradient in (pulled, None):
            ends[order, gradient] = last(
                sample(sampler_of(name, process("5"), wavy, gradient, clipping_order=order), x_T)
            )
    assert ends["before", pulled].abs().max() > 1
    assert ends["after", pulled].abs().max() <= 1
    assert torch.equal(ends["before", None], ends["after", None])


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_registry_tells_how_often_networks_are_evaluated(name, steps):
    calls = {"denoiser": 0, "classifier": 0}

    def counted(kind):
        def network(x, timesteps):
            calls[kind] += 1
            return torch.zeros_like(x)

        return network

    draws = Draws((1, 1, 2, 2))
    last(sample(sampler_of(name, process(f"rho{steps}"), counted("denoiser"), counted("classifier")), draws(), draws))
    assert calls == dict.fromkeys(calls, SAMPLERS[name].evaluations(steps))


def sigmas_of(schedule, num_timesteps):
    return np.sqrt(1 / np.cumprod(1 - np.array(SCHEDULES[schedule](num_timesteps))) - 1)


@given(st.sampled_from(["linear", "cosine"]), st.integers(21, 300), st.sampled_from(["logsnr", "rho"]), st.data())
def test_even_spacings_visit_as_many_different_timesteps_as_asked_for(schedule, num_timesteps, form, data):
    count = data.draw(st.integers(1, num_timesteps))
    chosen = respaced_timesteps(num_timesteps, f"{form}{count}", sigmas_of(schedule, num_timesteps).tolist())
    assert len(chosen) == count == number_of_steps(num_timesteps, f"{form}{count}")
    assert chosen == sorted(set(chosen))
    assert 0 <= chosen[0] <= chosen[-1] < num_timesteps
    if count == num_timesteps:
        assert chosen == list(range(num_timesteps))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize(("form", "warp"), [("logsnr", np.log), ("rho", lambda sigma: sigma ** (1 / 7))])
def test_even_spacings_are_even_from_the_most_noise_to_the_least(schedule, form, warp):
    sigmas = sigmas_of(schedule, 1000)
    visited = warp(sigmas[respaced_timesteps(1000, f"{form}10", sigmas.tolist())])
    even = np.linspace(warp(sigmas[0]), warp(min(LARGEST_SIGMA, sigmas[-1])), 10)
    # Timesteps lie most of a step apart at the ends of the cosine schedule.
    assert np.abs(visited - even).max() < 0.3 * (even[1] - even[0])


@pytest.mark.parametrize("form", ["logsnr", "rho"])
def test_more_steps_than_timesteps_are_refused_without_the_noise_of_each(form):
    assert number_of_steps(100, f"{form}100") == 100
    with pytest.raises(ValueError, match=f"steps: '{form}101' asks for 101 steps of a process that has 100"):
        number_of_steps(100, f"{form}101")
    with pytest.raises(ValueError, match="is no schedule"):
        number_of_steps(100, f"{form}0")


def rival(name, steps, **options):
    """A scheduler of diffusers on our process: its betas, timesteps and sigmas."""
    schedulers = pytest.importorskip("diffusers.schedulers", reason=ABSENT)
    diffusion = process(steps)
    scheduler = getattr(schedulers, name)(trained_betas=SCHEDULES["linear"](1000), **options)
    scheduler.set_timesteps(diffusion.num_timesteps)
    sigmas = torch.tensor(np.sqrt(1 / diffusion.alpha_bar - 1)[::-1].copy(), dtype=torch.float32)
    timesteps = diffusion.timesteps.flip(0)
    if name == "HeunDiscreteScheduler":
        timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
        sigmas = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2)])
    scheduler.timesteps, scheduler.sigmas = timesteps, torch.cat([sigmas, torch.zeros(1)])
    scheduler.set_begin_index(0)
    return diffusion, scheduler


CASES = {
    "2M": (DPMSolverPP, {}, "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "SDE": (DPMSolverPP, {"eta": 1.0}, "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "UniPC-2": (UniPC, {"order": 2}, "UniPCMultistepScheduler", {"solver_order": 2}),
    "UniPC-3": (UniPC, {"order": 3}, "UniPCMultistepScheduler", {"solver_order": 3}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", ["8", "logsnr8", "rho20"])
@pytest.mark.parametrize("case", CASES)
def test_diffusers_takes_the_same_steps(case, steps):
    kind, options, name, others = CASES[case]
    diffusion, scheduler = rival(name, steps, final_sigmas_type="zero", **others)
    network = Mixture(np.cumprod(1 - np.array(SCHEDULES["linear"](1000))))
    draws = Draws((2, 3, 8, 8))
    x = x_T = draws()
    noises = [draws() for _ in range(diffusion.num_timesteps)]
    given = iter(noises)
    ours = list(sample(kind(diffusion, network, **({"clipping": "none"} | options)), x_T, lambda: next(given)))
    for t, z, expected in zip(scheduler.timesteps, noises, ours, strict=True):
        more = {"variance_noise": z} if case == "SDE" else {}
        x = scheduler.step(network(x, t.expand(2)), t, x, **more).prev_sample
        torch.testing.assert_close(expected, x, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", ["8", "logsnr8", "rho20"])
def test_diffusers_takes_the_same_steps_of_heuns_method(steps):
    diffusion, scheduler = rival("HeunDiscreteScheduler", steps)
    network, x_T = Mixture(np.cumprod(1 - np.array(SCHEDULES["linear"](1000)))), Draws((2, 3, 8, 8))()
    x = x_T / float(np.sqrt(diffusion.alpha_bar[-1]))
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t.expand(2)), t, x).prev_sample
    ours = last(sample(Heun(diffusion, network, clipping="none"), x_T))
    torch.testing.assert_close(ours, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", ["logsnr10", "rho10"])
def test_even_spacings_begin_at_the_last_timestep_below_the_largest_sigma(schedule, steps):
    sigmas = sigmas_of(schedule, 1000)
    last = respaced_timesteps(1000, steps, sigmas.tolist())[-1]
    assert sigmas[last] <= LARGEST_SIGMA < sigmas[last + 1]
