"""What a network predicts: eps, v and x_0 tell the same denoiser, and losses have their sources' weights."""

import pytest
import torch

from adm.diffusion.losses import likelihood_terms, training_loss
from adm.diffusion.process import TARGETS, Diffusion
from adm.diffusion.samplers import DDIM, DDPM, encode, last, sample
from adm.diffusion.solvers import DPMSolverPP, Heun, UniPC

T, STEPS, VARIANCE = 100, 8, 0.3
SAMPLERS = {
    "DDPM": DDPM,
    "DDIM": lambda *given, **options: DDIM(*given, eta=0.5, **options),
    "DPM-Solver++": lambda *given, **options: DPMSolverPP(*given, eta=1.0, **options),
    "UniPC": UniPC,
    "Heun": Heun,
}


def process(predicts, steps=str(STEPS), schedule="cosine"):
    return Diffusion.from_schedule(schedule, T, steps, "learned_range", predicts)


def exact(predicts, mean=0.2, schedule="cosine"):
    """The best denoiser of pixels ~ N(mean, VARIANCE), by what it predicts, written from its own formulas."""
    alpha_bar = torch.from_numpy(Diffusion.from_schedule(schedule, T).alpha_bar)

    def denoised(x_t, timesteps):
        a = alpha_bar[timesteps].view(-1, 1, 1, 1)
        alpha, sigma = a.sqrt(), (1 - a).sqrt()
        x_0 = (mean * (1 - a) + VARIANCE * alpha * x_t) / (VARIANCE * a + 1 - a)
        eps = (x_t - alpha * x_0) / sigma
        predicted = {"eps": eps, "x_0": x_0, "v": alpha * eps - sigma * x_0}[predicts]
        return torch.cat([predicted, torch.tanh(x_t)], dim=1)

    return denoised


def normals(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(seed=1):
    source = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(3, 1, 4, 4, generator=source, dtype=torch.float64)


def agree(found):
    for predicts in ("v", "x_0"):
        torch.testing.assert_close(found[predicts], found["eps"], rtol=1e-6, atol=1e-6)
    return found["eps"]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("predicts", TARGETS)
def test_a_perfect_prediction_gives_back_image_and_noise(predicts, schedule):
    diffusion = process(predicts, None, schedule)
    x_0, eps, t = normals(T, 3, 2, 2).clamp(-1, 1), normals(T, 3, 2, 2, seed=1), torch.arange(T)
    x_t = diffusion.q_sample(x_0, t, eps)
    target = TARGETS[predicts]
    perfect = target.made(diffusion, x_0, t, eps)
    torch.testing.assert_close(target.x_0(diffusion, x_t, t, perfect), x_0, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(target.eps(diffusion, x_t, t, perfect), eps, rtol=1e-6, atol=1e-6)
    p = diffusion.p_mean_variance(torch.cat([perfect, perfect], dim=1), x_t, t, clipping="none")
    torch.testing.assert_close(p.x_0, x_0, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"epsilon_temperature": 1.02}, {"clipping": "none"}], ids=str)
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_go_with_any_of_them(name, options):
    found = {}
    for predicts in TARGETS:
        sampler = SAMPLERS[name](process(predicts), exact(predicts), **options)
        found[predicts] = last(sample(sampler, normals(3, 1, 4, 4), drawn()))
    assert agree(found).std() > 0.1


def test_likelihoods_and_latents_go_with_any_of_them():
    bits, latents = {}, {}
    x_0 = 0.2 + 0.3 * normals(3, 1, 4, 4)
    for predicts in TARGETS:
        draws = drawn()
        noise = iter(draws, None)
        terms = likelihood_terms(process(predicts), exact(predicts), x_0.clamp(-1, 1), noise)
        bits[predicts] = torch.stack([term for term, _ in terms])
        latents[predicts] = encode(process(predicts), exact(predicts), x_0)
    assert agree(bits).isfinite().all()
    agree(latents)


GAMMA = 5.0
WEIGHTS = {
    "eps": lambda snr: min(snr, GAMMA) / snr,
    "v": lambda snr: min(snr, GAMMA) / (snr + 1),
    "x_0": lambda snr: min(snr, GAMMA),
}
"""Hang et al. (2023), section 3.4, by what is predicted."""


@pytest.mark.parametrize("predicts", TARGETS)
def test_losses_are_those_of_their_sources(predicts):
    diffusion = Diffusion.from_schedule("cosine", T, None, "beta", predicts)
    x_0, eps, t = normals(4, 1, 4, 4).clamp(-1, 1), normals(4, 1, 4, 4, seed=1), torch.tensor([0, 30, 60, 99])
    output = normals(4, 1, 4, 4, seed=2)

    def loss(min_snr):
        terms = training_loss(diffusion, lambda x, timesteps: output, x_0, t, eps, "simple", min_snr)
        return terms["loss"].tolist(), terms["mse"].tolist()

    expected, weighted = [], []
    for row in range(4):
        a = float(diffusion.alpha_bar[t[row]])
        target = {"eps": eps[row], "x_0": x_0[row], "v": a**0.5 * eps[row] - (1 - a) ** 0.5 * x_0[row]}[predicts]
        expected.append(float(((target - output[row]) ** 2).mean()))
        weighted.append(expected[-1] * WEIGHTS[predicts](a / (1 - a)))
    assert loss(None) == (pytest.approx(expected), pytest.approx(expected))
    assert loss(GAMMA) == (pytest.approx(weighted), pytest.approx(expected))
