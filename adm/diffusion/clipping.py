"""Clipping of the predicted x_0."""

from typing import Literal

import torch
from torch import Tensor

Clipping = Literal["static", "dynamic", "none"]

ClippingOrder = Literal["before", "after"]
"""Whether x_0 is clipped before guidance shifts it or after."""

PERCENTILE = 0.995
"""Of an image's absolute values. The source gives no number; this is the default of diffusers."""


def clipped(x_0: Tensor, clipping: Clipping) -> Tensor:
    """Clip a predicted x_0.

    Args:
        x_0: (B, C, H, W).
        clipping: "static" clips to [-1, 1]. "dynamic" clips each image to [-s, s] and divides it by s, the percentile
            PERCENTILE of its absolute values, or 1 if that is larger. "none" changes nothing.

    Returns:
        (B, C, H, W).

    Source: Saharia et al. (2022), section 2.3, "dynamic".
    """
    if clipping == "none":
        return x_0
    if clipping == "static":
        return x_0.clamp(-1, 1)
    # Image by image, because quantile takes no more than 2^24 values at a time.
    sizes = torch.stack([image.abs().flatten().quantile(PERCENTILE) for image in x_0])
    s = sizes.clamp(min=1).view(-1, *[1] * (x_0.ndim - 1))
    return x_0.clamp(-s, s) / s
