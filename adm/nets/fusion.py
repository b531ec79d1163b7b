"""Normalisation, modulation and SiLU of residual blocks, compiled into kernels that take any precision and layout."""

import torch
from torch import Tensor, nn

from adm.nets.layers import GroupNorm, ResidualBlock

SHAPES = 256
"""The most shapes of feature maps that kernels are compiled for; torch would leave the ninth uncompiled."""


class AnyLayoutNorm(GroupNorm):
    """GroupNorm as elementary operations, for the compiler to fuse.

    Torch's own kernel for GPUs takes float32 in the contiguous layout, so half-precision features that lie channels
    last are cast and copied on both sides of it.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input: (B, C, H, W)`; shape, dtype and layout stay."""
        dtype = torch.promote_types(input.dtype, torch.float32)
        B, C, H, W = input.shape
        groups = input.to(dtype).view(B, self.num_groups, C // self.num_groups, H, W)
        variance, mean = torch.var_mean(groups, dim=(2, 3, 4), correction=0, keepdim=True)
        normalised = ((groups - mean) * torch.rsqrt(variance + self.eps)).flatten(1, 2)
        affine = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return affine.to(input.dtype)


def fuse(network: nn.Module) -> None:
    """Compile what residual blocks compute between their convolutions, in place; weights and their names stay.

    Numbers change by rounding. The first passes take longer, because kernels are compiled in them.
    """
    # `make_deterministic` leaves the compiler out; so do its kernels' choices, unless they are told.
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())
    torch._dynamo.config.recompile_limit = SHAPES
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            # A class of its own, because the compiler compares classes and would compile each instance's function anew.
            block.norm_in.__class__ = block.norm_out.__class__ = AnyLayoutNorm
            block.activate = torch.compile(block.activate, dynamic=False)  # type: ignore[method-assign]
            block.modulate = torch.compile(block.modulate, dynamic=False)  # type: ignore[method-assign]
