"""Unguided sampling against azula's samplers, with one network for both, and the loops around a network of no cost."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from azula.noise import Schedule
from azula.plugins.adm import AblatedDenoiser
from azula.sample import DDIMSampler, DDPMSampler, Sampler
from torch import Tensor, nn

from adm.diffusion.process import Denoiser
from adm.nets.forward import Forward
from adm.nets.weights import build
from adm.sampling.guided import block_sampler, block_trajectories
from benchmarks.cases import Case, cases
from benchmarks.clock import Timing, paired

SAMPLERS = {"ddpm": DDPMSampler, "ddim": DDIMSampler}
"""Azula's samplers by their name in a run."""


class Backbone(nn.Module):
    """A denoiser as azula's plugin for the released checkpoints calls networks."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.register_buffer("like", torch.zeros(()))  # azula asks a network for its precision

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Run the denoiser, which knows its labels."""
        return self.denoiser(x, t)


class Still(nn.Module):
    """A network of no cost, which returns its input as the noise and the variance."""

    def forward(self, x: Tensor, t: Tensor, torso: torch.dtype | None = None) -> Tensor:
        """Map (B, C, H, W) to (B, 2C, H, W)."""
        return torch.cat([x, x], dim=1)


def azula_sampler(denoiser: Denoiser, sampler: str, steps: int, schedule: Schedule | None = None) -> Sampler:
    """Azula's sampler of a denoiser with learned variance, made as for the released checkpoints."""
    wrapped = AblatedDenoiser(Backbone(denoiser), schedule, clip_mean=True, learn_var=True, discrete_schedule="cosine")
    return SAMPLERS[sampler](wrapped.eval(), steps=steps, silent=True)


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a case, and a row a sampler of the loop alone."""
    for case in cases(smallest):
        torch.manual_seed(0)
        network = build(case.model).eval().requires_grad_(False)
        yield timing(f"unguided sampling, {case.steps} steps, {case}", case, network, "ddpm")
    alone = replace(cases(smallest)[-1], steps=2 if smallest else 250)
    for sampler in SAMPLERS:
        what = f"{sampler.upper()} alone, {alone.steps} steps, {alone.side}x{alone.side}, batch {alone.batch}"
        yield timing(what, alone, Still(), sampler)


def timing(what: str, case: Case, network: nn.Module, sampler: str) -> Timing:
    """Time a block of images by both."""
    run = case.run.model_copy(update={"sampler": sampler})
    x, y = case.batch_of_data()
    theirs = azula_sampler(Forward.frozen(network, case.precision).conditioned(y), sampler, case.steps)
    ours = block_sampler(block_trajectories(run, case.model, network, None, 10))
    return paired(what, "azula", partial(ours, 0), partial(theirs, torch.randn_like(x)), case.repeats)
