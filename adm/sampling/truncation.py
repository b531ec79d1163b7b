"""Samples of a GAN with the truncation trick: smaller latents trade diversity for fidelity."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from adm.config.sampling import GanSampling
from adm.data.batches import to_uint8
from adm.determinism import generator
from adm.nets.gan import Generator
from adm.sampling.batch import Images, Labels

CUT = 2.0
"""The latents' normal distribution is cut at this many standard deviations, as in the published BigGAN."""


def truncated_normal(uniform: Tensor, truncation: float) -> Tensor:
    """Turn uniform numbers into `truncation` times a standard normal cut at two standard deviations.

    Args:
        uniform: float64 in [0, 1], any shape.
        truncation: In (0, 1].

    Returns:
        float32 of the same shape, within 2 * truncation of zero.

    Source: Brock et al. (2018), Section 3.1; the truncation values of the paper's Figure 6.
    """
    low, high = torch.special.ndtr(torch.tensor([-CUT, CUT], dtype=torch.float64))
    normal: Tensor = torch.special.ndtri(torch.lerp(low, high, uniform)).clamp(-CUT, CUT)
    return (truncation * normal).float()


def sample_blocks(run: GanSampling, network: Generator, classes: Sequence[int]) -> Iterator[tuple[Images, Labels]]:
    """Sample the blocks of a run, one after the other, whole.

    Labels are drawn from `classes`, with equal probabilities.

    Yields:
        Images (B, H, W, 3) uint8 and labels (B,) int64 of each block.
    """
    among = torch.tensor(classes)
    for block in run.blocks:
        first = run.seed + block * run.micro_batch
        draws = [generator(seed) for seed in range(first, first + run.micro_batch)]
        y = among[torch.stack([torch.randint(len(among), (), generator=g) for g in draws])]
        uniform = torch.stack([torch.rand(network.latent, generator=g, dtype=torch.float64) for g in draws])
        with torch.no_grad():
            x = network(truncated_normal(uniform, run.truncation), y)
        yield to_uint8(x), y.numpy()
