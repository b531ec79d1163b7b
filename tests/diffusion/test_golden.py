"""The diffusion process against arrays computed by the reference implementation."""

import numpy as np
import pytest
import torch

from adm.config.schedules import linear_betas, respaced_timesteps
from adm.diffusion.losses import training_loss
from adm.diffusion.process import Diffusion
from adm.diffusion.samplers import DDIM, DDPM, encode, predict, sample


def draw(seed, shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def denoiser(x, t):
    t = t.float().view(-1, 1, 1, 1)
    return torch.cat([torch.tanh(0.7 * x + 0.1 * torch.sin(t / 50)), torch.sin(3 * x + t / 300)], dim=1)


def gradient(x, t):
    return 0.3 * torch.cos(2 * x) + 0.001 * t.float().view(-1, 1, 1, 1)


def close(ours, theirs, tolerance):
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=tolerance, atol=tolerance)


@pytest.fixture(params=["250", "ddim25"])
def steps(request):
    return request.param


def test_linear_schedule(golden):
    diffusion = Diffusion(np.array(linear_betas(1000)))
    np.testing.assert_array_equal(diffusion.betas, golden["sched/linear/betas"])
    np.testing.assert_array_equal(diffusion.alpha_bar, golden["sched/linear/alphas_cumprod"])
    np.testing.assert_array_equal(diffusion.beta_tilde, golden["sched/linear/posterior_variance"])


@pytest.mark.parametrize("schedule", ["250", "ddim25", "90,60,60,20,20"])
def test_timesteps(golden, schedule):
    np.testing.assert_array_equal(respaced_timesteps(1000, schedule), golden[f"timesteps/{schedule}"])


def test_respaced_betas(golden, steps):
    diffusion = Diffusion.from_schedule("linear", 1000, steps)
    np.testing.assert_array_equal(diffusion.timesteps, golden[f"respace/linear/{steps}/timesteps"])
    np.testing.assert_array_equal(diffusion.betas, golden[f"respace/linear/{steps}/betas"])


def test_hybrid_loss(golden):
    diffusion = Diffusion.from_schedule("linear", 1000)
    x_0, eps = draw(5, (4, 3, 8, 8)).clamp(-1, 1), draw(6, (4, 3, 8, 8))
    t = torch.tensor([0, 1, 500, 999])
    close(diffusion.q_sample(x_0, t, eps), golden["loss/linear/x_t"], 1e-5)
    terms = training_loss(diffusion, denoiser, x_0, t, eps, "hybrid")
    close(terms["mse"], golden["loss/linear/mse"], 1e-5)
    close(terms["vlb"], golden["loss/linear/vb"], 1e-5)
    close(terms["loss"], golden["loss/linear/loss"], 1e-5)


def test_mean_and_variance(golden, steps):
    diffusion = Diffusion.from_schedule("linear", 1000, steps)
    n, x_t = diffusion.num_timesteps, draw(6, (4, 3, 8, 8))
    for row, t in enumerate((0, 1, n // 2, n - 1)):
        p = predict(diffusion, denoiser, x_t[row : row + 1], t)
        for name, ours in [
            ("mean", p.mean),
            ("variance", p.variance),
            ("log_variance", p.log_variance),
            ("pred_xstart", p.x_0),
        ]:
            close(ours[0], golden[f"pmv/linear/{steps}/{name}"][row], 1e-5)


def test_algorithm_1_mean(golden, steps):
    diffusion = Diffusion.from_schedule("linear", 1000, steps)
    n, x_t = diffusion.num_timesteps, draw(6, (4, 3, 8, 8))
    step = DDPM(diffusion, denoiser, gradient)
    for row, t in enumerate((0, 1, n // 2, n - 1)):
        x = x_t[row : row + 1]
        mean = step(x, t, noise=lambda x=x: torch.zeros_like(x))
        close(mean[0], golden[f"pmv/linear/{steps}/cond_mean"][row], 1e-5)


@pytest.mark.parametrize(("name", "guide"), [("out", None), ("guided", gradient)])
def test_ddim_trajectory(golden, steps, name, guide):
    diffusion = Diffusion.from_schedule("linear", 1000, steps)
    *_, x_0 = sample(DDIM(diffusion, denoiser, guide), draw(9, (2, 3, 8, 8)))
    close(x_0, golden[f"ddim/linear/{steps}/{name}"], 1e-4)


def test_ddim_reversed_trajectory(golden, steps):
    diffusion = Diffusion.from_schedule("linear", 1000, steps)
    latent = encode(diffusion, denoiser, draw(11, (2, 3, 8, 8)).clamp(-1, 1))
    close(latent, golden[f"ddim_reverse/linear/{steps}/out"], 1e-4)
