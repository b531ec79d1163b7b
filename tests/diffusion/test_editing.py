"""Changed images against a mixture of Gaussians whose denoiser and posterior are known exactly."""

from collections import Counter

import pytest
import torch
from denoising import sampler_of

from adm.config.samplers import SAMPLERS
from adm.config.sampling import Editing
from adm.diffusion.editing import count_steps, edit, inpaint
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import last, sample
from adm.diffusion.solvers import DPMSolverPP, Heun, UniPC
from benchmarks.inpainting import WEIGHTS, Mixture


class Planted(Diffusion):
    """A process whose images are noised to another step than asked for."""

    off = 0

    def q_sample(self, x_0, t, eps):
        return super().q_sample(x_0, min(max(t + self.off, 0), self.num_timesteps - 1), eps)


def process(steps, off=0):
    diffusion = Planted.from_schedule("linear", 1000, steps)
    diffusion.off = off
    return diffusion


def source(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=generator)


def wavy(x_t, timesteps):
    return torch.cat([torch.sin(3 * x_t), torch.zeros_like(x_t)], dim=1)


def test_strength_is_a_part_of_the_timesteps_whatever_the_steps():
    for steps in ("10", "25,25", "ddim25", "logsnr20", "1000"):
        diffusion = process(steps)
        for strength in (0.001, 0.25, 0.5, 0.999, 1):
            begins = diffusion.original[count_steps(diffusion, strength) - 1]
            assert begins < max(1000 * strength, 1)
            later = [t for t in diffusion.original if t > begins]
            assert not later or later[0] >= 1000 * strength
        assert count_steps(diffusion, 1) == diffusion.num_timesteps


@pytest.mark.parametrize("name", SAMPLERS)
def test_strength_1_is_sampling(name):
    shape = (2, 3, 4, 4)
    plain, changed = (source(shape) for _ in range(2))
    expected = sample(sampler_of(name, process("logsnr6"), wavy), plain(), plain)
    x_0 = source(shape, 1)()
    for found, wanted in zip(
        edit(sampler_of(name, process("logsnr6"), wavy), x_0, 1, changed(), changed), expected, strict=True
    ):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_trajectory_that_begins_in_the_middle_knows_nothing_of_the_one_before(name):
    used, x_0, eps = sampler_of(name, process("logsnr8"), wavy), source((1, 3, 4, 4))(), source((1, 3, 4, 4), 1)()
    for strength in (1, 0.3, 0.0001):
        found, expected = (
            last(edit(step, x_0, strength, eps, source(eps.shape, 2)))
            for step in (used, sampler_of(name, process("logsnr8"), wavy))
        )
        assert torch.equal(found, expected)


def whitened(step, strength):
    """Edited images of the data along axes in which the data have mean 0 and variance 1, (16, 4000)."""
    data, draws = step.denoiser, torch.Generator().manual_seed(0)
    x_0, noise = data.sample(4000, draws), source((4000, 1, 4, 4), 1)
    x = last(edit(step, x_0, strength, noise(), noise)).flatten(1).double()
    mean = WEIGHTS @ data.means
    outer = data.covariances + data.means[:, :, None] * data.means[:, None]
    root = torch.linalg.cholesky((WEIGHTS[:, None, None] * outer).sum(0) - mean.outer(mean))
    return torch.linalg.solve_triangular(root, (x - mean).T, upper=False)


# Five standard errors of 4000 draws are 0.08 of a mean and 0.11 of a variance.
@pytest.mark.parametrize("strength", [0.1, 0.4])
@pytest.mark.parametrize("kind", [DPMSolverPP, UniPC, Heun])
def test_edited_images_of_the_data_are_distributed_as_the_data(kind, strength):
    found = {}
    for off in (0, 1, -1):
        diffusion = process("logsnr20", off)
        found[off] = whitened(kind(diffusion, Mixture(diffusion), clipping="none"), strength)
    assert found[0].mean(1).abs().max() < 0.08
    assert (found[0].var(1) - 1).abs().max() < 0.11
    for off in (1, -1):
        assert (found[off].var(1) - 1).abs().max() > 0.15, "noise of another step is not found"


class Watched:
    """A sampler that gives exact x_{t-1}, and compares the noise of all x_t that it is given with that of t."""

    def __init__(self, diffusion, x_0):
        self.diffusion, self.x_0, self.seen, self.worst = diffusion, x_0, Counter(), 0.0

    def __call__(self, x_t, step, noise):
        self.seen[step] += 1
        exact = self.diffusion.q_mean_variance(self.x_0, step)
        z = (x_t - exact.mean) / exact.variance.sqrt()
        if self.seen.total() > 1:  # the first is pure noise
            for part in z.chunk(2, dim=-1):
                self.worst = max(self.worst, abs(float(part.std()) - 1), abs(float(part.mean())))
        if step == 0:
            return self.x_0
        before = self.diffusion.q_mean_variance(self.x_0, step - 1)
        return before.mean + before.variance.sqrt() * noise()


# 0.04 is five standard errors of a mean of 16384 pixels.
@pytest.mark.parametrize("jump", [1, 3])
def test_a_step_is_given_all_pixels_at_its_noise_after_each_jump_too(jump):
    shape = (1, 1, 128, 256)
    drawn = torch.arange(256).view(1, 1, 1, -1) < 128
    worst = {}
    for off in (0, 1, -1):
        step = Watched(process("8", off), torch.full(shape, 0.4))
        noise = source(shape)
        xs = list(inpaint(step, step.x_0, drawn, Editing(resamplings=3, jump=jump), noise(), noise))
        assert len(xs) == step.seen.total() == count_steps(step.diffusion, 1, 3)
        assert step.seen == {0: 1} | dict.fromkeys(range(1, 8), 3)
        worst[off] = step.worst
    assert worst[0] < 0.04
    assert min(worst[1], worst[-1]) > 0.04, "noise of another step is not found"


@pytest.mark.parametrize("name", [name for name, sampler in SAMPLERS.items() if sampler.inpaints])
def test_the_rest_stays_and_the_region_changes(name):
    x_0, noise = source((2, 3, 4, 4), 1)(), source((2, 3, 4, 4))
    drawn = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    drawn[0, :, :2], drawn[1, :, :, 3] = True, True
    x = last(inpaint(sampler_of(name, process("logsnr5"), wavy), x_0, drawn, Editing(strength=0.5), noise(), noise))
    assert torch.equal(x == x_0, ~drawn.expand_as(x))
