"""What users of the released code run: its arithmetic, its training step and its sampling loop, on a CPU in float32.

The networks are ours with the released code's forward passes put in: contiguous layout, attention as two products and a
softmax that are computed again in the backward pass, normalisation and modulation as separate operations.
"""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from adm.config.models import TrainingParams
from adm.diffusion.process import Diffusion
from adm.nets.layers import Attention, GroupNorm, ResidualBlock

VLB_WEIGHT = 0.001


def plain(network: nn.Module) -> nn.Module:
    """A copy of a network that computes as the released code does."""
    network = copy.deepcopy(network).float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in network.modules():
        if isinstance(module, Attention):
            module.forward = _attention(module)  # type: ignore[method-assign]
        elif isinstance(module, ResidualBlock):
            module.condition = _condition(module)  # type: ignore[method-assign]
        elif isinstance(module, GroupNorm):
            module.forward = _group_norm(module)  # type: ignore[method-assign]
    return network


def _group_norm(norm: GroupNorm) -> Callable[[Tensor], Tensor]:
    return lambda x: F.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps).type(x.dtype)


def _condition(block: ResidualBlock) -> Callable[[Tensor, Tensor], Tensor]:
    def condition(h: Tensor, embedding: Tensor) -> Tensor:
        projected = block.embedding(embedding)[..., None, None]
        if block.conditioning == "addition":
            return block.norm_out(h + projected)
        scale, shift = projected.chunk(2, dim=1)
        return block.norm_out(h) * (1 + scale) + shift

    return condition


def _attention(block: Attention) -> Callable[[Tensor], Tensor]:
    def attend(x: Tensor) -> Tensor:
        B, C, *sides = x.shape
        flat = x.reshape(B, C, -1)
        qkv = F.conv1d(block.norm(flat), block.qkv.weight, block.qkv.bias)
        if block.order == "legacy":
            q, k, v = qkv.reshape(B * block.heads, -1, flat.shape[2]).chunk(3, dim=1)
        else:
            q, k, v = (part.reshape(B * block.heads, -1, flat.shape[2]) for part in qkv.chunk(3, dim=1))
        scale = 1 / math.sqrt(math.sqrt(q.shape[1]))
        weight = torch.softmax(torch.einsum("bct,bcs->bts", q * scale, k * scale).float(), dim=-1).type(q.dtype)
        h = torch.einsum("bts,bcs->bct", weight, v).reshape(B, C, -1)
        return (flat + F.conv1d(h, block.projection.weight, block.projection.bias)).reshape(B, C, *sides)

    return lambda x: checkpoint(attend, x, use_reentrant=False) if torch.is_grad_enabled() else attend(x)


class Tables:
    """A process that is looked up as the released code does: a table of numpy, taken, cast and stretched each time."""

    def __init__(self, diffusion: Diffusion) -> None:
        self.tables = diffusion._derived()
        self.timesteps = diffusion.timesteps

    def at(self, name: str, t: Tensor, shape: torch.Size) -> Tensor:
        """A table at t, (B,), stretched to `shape`."""
        values = torch.from_numpy(self.tables[name])[t].float()
        return values[:, None, None, None].expand(shape)

    def predict(self, output: Tensor, x: Tensor, t: Tensor, clip: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean, variance, log variance and x_0 of p(x_{t-1} | x_t)."""
        eps, values = output.chunk(2, dim=1)
        fraction = (values + 1) / 2
        log_variance = fraction * self.at("log_beta", t, x.shape) + (1 - fraction) * self.at(
            "log_beta_tilde", t, x.shape
        )
        x_0 = (
            self.at("sqrt_recip_alpha_bar", t, x.shape) * x
            - self.at("sqrt_recip_alpha_bar_minus_one", t, x.shape) * eps
        )
        x_0 = x_0.clamp(-1, 1) if clip else x_0
        return self.posterior(x_0, x, t)[0], log_variance.exp(), log_variance, x_0

    def posterior(self, x_0: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(x_{t-1} | x_t, x_0)."""
        mean = self.at("posterior_x_0", t, x.shape) * x_0 + self.at("posterior_x_t", t, x.shape) * x
        return mean, self.at("log_beta_tilde", t, x.shape)


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * (1 + torch.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * torch.pow(x, 3))))


class PlainTraining:
    """The released training step in float32: L_hybrid, AdamW and EMA a tensor at a time, norms of all parameters."""

    def __init__(self, network: nn.Module, diffusion: Diffusion, training: TrainingParams) -> None:
        self.network, self.process, self.training = plain(network), Tables(diffusion), training
        self.draws = np.random.default_rng(0)
        self.average = copy.deepcopy(list(self.network.parameters()))
        self.ema_rate = training.ema_rate or 0.0
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=training.learning_rate, weight_decay=0.0, foreach=False, fused=False
        )

    def step(self, x_0: Tensor, y: Tensor) -> None:
        """Make one update on a batch: x_0 (B, C, H, W) float32 in [-1, 1], y (B,) int64."""
        steps = len(self.process.timesteps)
        t = torch.from_numpy(self.draws.choice(steps, size=(len(x_0),), p=np.ones(steps) / steps)).long()
        for parameter in self.network.parameters():
            parameter.grad = None
        self.loss(x_0, y, t).mean().backward()  # type: ignore[no-untyped-call]
        for parameter in self.network.parameters():
            torch.norm(parameter, p=2, dtype=torch.float32).item()
            if parameter.grad is not None:
                torch.norm(parameter.grad, p=2, dtype=torch.float32).item()
        self.optimizer.step()
        for average, parameter in zip(self.average, self.network.parameters(), strict=True):
            average.detach().mul_(self.ema_rate).add_(parameter, alpha=1 - self.ema_rate)

    def loss(self, x_0: Tensor, y: Tensor, t: Tensor) -> Tensor:
        """L_hybrid of each image, (B,)."""
        process, eps = self.process, torch.randn_like(x_0)
        x = (
            process.at("sqrt_alpha_bar", t, x_0.shape) * x_0
            + process.at("sqrt_one_minus_alpha_bar", t, x_0.shape) * eps
        )
        output = self.network(x, process.timesteps[t], y)
        noise, values = output.chunk(2, dim=1)
        true_mean, true_log = process.posterior(x_0, x, t)
        mean, _, log, _ = process.predict(torch.cat([noise.detach(), values], dim=1), x, t, clip=False)
        kl = 0.5 * (-1 + log - true_log + torch.exp(true_log - log) + (true_mean - mean) ** 2 * torch.exp(-log))
        inverse, centred = torch.exp(-0.5 * log), x_0 - mean
        above, below = (_normal_cdf(inverse * (centred + bin)) for bin in (1 / 255, -1 / 255))
        log_p = torch.where(
            x_0 < -0.999,
            torch.log(above.clamp(min=1e-12)),
            torch.where(
                x_0 > 0.999, torch.log((1 - below).clamp(min=1e-12)), torch.log((above - below).clamp(min=1e-12))
            ),
        )
        means = [term.mean(dim=(1, 2, 3)) / np.log(2) for term in (-log_p, kl)]
        vlb = torch.where(t == 0, *means) * len(process.timesteps) * VLB_WEIGHT
        return (eps - noise).pow(2).mean(dim=(1, 2, 3)) + vlb


def plain_sampling(
    network: nn.Module, classifier: nn.Module, diffusion: Diffusion, x: Tensor, y: Tensor, scale: float
) -> Tensor:
    """The released guided DDPM loop in float32, for networks that `plain` made."""
    process = Tables(diffusion)
    for step in reversed(range(diffusion.num_timesteps)):
        t = torch.tensor([step] * len(x))
        with torch.no_grad():
            mean, variance, log, _ = process.predict(network(x, process.timesteps[t], y), x, t, clip=True)
            with torch.enable_grad():
                seen = x.detach().requires_grad_(True)
                log_p = F.log_softmax(classifier(seen, process.timesteps[t]), dim=-1)
                gradient = torch.autograd.grad(log_p[range(len(x)), y.view(-1)].sum(), seen)[0] * scale
            mean = mean.float() + variance * gradient.float()
            nonzero = (t != 0).float().view(-1, 1, 1, 1)
            x = mean + nonzero * torch.exp(0.5 * log) * torch.randn_like(x)
    return x
