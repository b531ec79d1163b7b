"""Training losses and likelihood: L_simple, L_vlb, L_hybrid, bits per dimension."""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from adm.diffusion.process import TARGETS, Denoiser, Diffusion, Gaussian, Index

VLB_WEIGHT = 0.001
"""lambda of L_hybrid. Source: Nichol & Dhariwal (2021), equation 16."""

Objective = Literal["simple", "vlb", "hybrid"]


def mean_over_pixels(x: Tensor) -> Tensor:
    """Average over every axis but the first."""
    return x.flatten(1).mean(1)


def normal_kl(q: Gaussian, p: Gaussian) -> Tensor:
    """Compute KL(q || p) of diagonal Gaussians, elementwise, in nats. Source: equation 10."""
    return 0.5 * (
        p.log_variance
        - q.log_variance
        - 1.0
        + torch.exp(q.log_variance - p.log_variance)
        + (q.mean - p.mean) ** 2 * torch.exp(-p.log_variance)
    )


def discretised_gaussian_nll(x_0: Tensor, p: Gaussian) -> Tensor:
    """Compute -log p(x_0) of 8-bit pixels rescaled to [-1, 1], elementwise, in nats; the end bins hold the tails.

    Source: equation 9; Ho et al. (2020), equation 13.
    """
    inverse_std = torch.exp(-0.5 * p.log_variance)
    centred = x_0 - p.mean
    above = _normal_cdf(inverse_std * (centred + 1 / 255))
    below = _normal_cdf(inverse_std * (centred - 1 / 255))
    tiny = 1e-12
    log_likelihood = torch.where(
        x_0 < -0.999,
        above.clamp(min=tiny).log(),
        torch.where(x_0 > 0.999, (1 - below).clamp(min=tiny).log(), (above - below).clamp(min=tiny).log()),
    )
    return -log_likelihood


def _normal_cdf(x: Tensor) -> Tensor:
    # The tanh approximation, not erf: the published likelihoods were computed with it.
    return 0.5 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def vlb_term(diffusion: Diffusion, p: Gaussian, x_0: Tensor, x_t: Tensor, t: Index) -> Tensor:
    """Compute the term of L_vlb at t, (B,), in bits per dimension: L_0 at t = 0, else L_t. Source: equations 8-10."""
    if isinstance(t, int) and t == 0:
        return mean_over_pixels(discretised_gaussian_nll(x_0, p)) / math.log(2.0)
    terms = mean_over_pixels(normal_kl(diffusion.q_posterior(x_0, x_t, t), p))
    if isinstance(t, Tensor):
        # On a GPU, a choice of rows would wait for the device, which computes them all in less time.
        rows = (t == 0).nonzero()[:, 0] if t.device.type == "cpu" else torch.arange(len(t), device=t.device)
        if len(rows):
            nll = mean_over_pixels(
                discretised_gaussian_nll(x_0[rows], Gaussian(p.mean[rows], p.variance[rows], p.log_variance[rows]))
            )
            terms = torch.where(t == 0, torch.zeros_like(terms).index_copy(0, rows, nll), terms)
    return terms / math.log(2.0)


def training_loss(
    diffusion: Diffusion,
    denoiser: Denoiser,
    x_0: Tensor,
    t: Index,
    eps: Tensor,
    objective: Objective,
    min_snr: float | None = None,
) -> dict[str, Tensor]:
    """Compute the loss of each image at its own timestep.

    Args:
        diffusion: The training process, T steps.
        denoiser: The network.
        x_0: (B, C, H, W) float32 in [-1, 1].
        t: (B,) int64 in [0, T).
        eps: (B, C, H, W) standard normal.
        objective: "simple" is ||eps - eps_theta||^2, or the same of v or x_0 if the process predicts that. "vlb" is T
            times the term of L_vlb at t. "hybrid" is their sum with weight lambda = 0.001 on L_vlb; there L_vlb does
            not train the mean.
        min_snr: gamma; the squared error weighs as much as min(SNR, gamma) times that of x_0. None leaves it as it is.

    Returns:
        (B,) float32 each: "loss", the one to minimise, and those of "mse", unweighted, and "vlb" that the objective
        has.

    Source: equation 12; Nichol & Dhariwal (2021), equation 16; Hang et al. (2023), equation 8, for `min_snr`.
    """
    x_t = diffusion.q_sample(x_0, t, eps)
    output = denoiser(x_t, diffusion.seen_at(t, x_t))
    if objective == "vlb":
        p = diffusion.p_mean_variance(output, x_t, t, clipping="none")
        vlb = vlb_term(diffusion, p, x_0, x_t, t)
        return {"loss": diffusion.num_timesteps * vlb, "vlb": vlb}
    channels = x_0.shape[1]
    target = TARGETS[diffusion.predicts]
    mse = mean_over_pixels((target.made(diffusion, x_0, t, eps) - output[:, :channels]) ** 2)
    weighted = mse
    if min_snr is not None:
        snr = (diffusion.at("alpha_bar", t, x_0) / diffusion.at("one_minus_alpha_bar", t, x_0)).flatten()
        weighted = mse * snr.clamp(max=min_snr) / target.per_x_0(snr)
    if objective == "simple":
        return {"loss": weighted, "mse": mse}
    frozen_mean = torch.cat([output[:, :channels].detach(), output[:, channels:]], dim=1)
    p = diffusion.p_mean_variance(frozen_mean, x_t, t, clipping="none")
    vlb = vlb_term(diffusion, p, x_0, x_t, t)
    return {"loss": weighted + VLB_WEIGHT * diffusion.num_timesteps * vlb, "mse": mse, "vlb": vlb}


def prior_bits(diffusion: Diffusion, x_0: Tensor) -> Tensor:
    """Compute L_T, (B,), in bits per dimension: what x_T still reveals about x_0. Source: equation 11."""
    last = diffusion.num_timesteps - 1
    zero = torch.zeros_like(x_0)
    kl = normal_kl(diffusion.q_mean_variance(x_0, last), Gaussian(zero, torch.ones_like(x_0), zero))
    return mean_over_pixels(kl) / math.log(2.0)


@torch.no_grad()
def likelihood_terms(
    diffusion: Diffusion,
    denoiser: Denoiser,
    x_0: Tensor,
    noise: Iterator[Tensor],
    objective: Objective = "simple",
    min_snr: float | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield terms of L_vlb and losses of training, (B,) each, from t = T-1 down to 0, without L_T (`prior_bits`).

    Args:
        diffusion: The process, all or some of its steps.
        denoiser: The network.
        x_0: (B, C, H, W) float32 in [-1, 1]; the predicted x_0 is clipped to that range.
        noise: Standard normals like x_0, one a timestep.
        objective: Of `training_loss`.
        min_snr: Likewise.

    Yields:
        The term, float64 in bits per dimension, and the loss, float32.

    Source: equations 8-11. Their sum with `prior_bits` bounds -log2 p(x_0) per dimension.
    """
    for step in reversed(range(diffusion.num_timesteps)):
        eps = next(noise)
        x_t = diffusion.q_sample(x_0, step, eps)
        output = denoiser(x_t, diffusion.seen_at(step, x_t))
        # float64: rounding errors of float32 are as large as the smallest of the thousand terms.
        p = diffusion.p_mean_variance(output.double(), x_t.double(), step)
        losses = training_loss(diffusion, lambda *_, output=output: output, x_0, step, eps, objective, min_snr)
        yield vlb_term(diffusion, p, x_0.double(), x_t.double(), step), losses["loss"]
