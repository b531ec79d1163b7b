"""Images as their owner keeps them: arrays, tensors, PIL images, or batches of these; and the same for results."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adm.data.decoding import ROUNDING, as_seen
from adm.data.images import WHITE, Pixels
from adm.errors import UserError

Pictures = Any
"""What `pixels_of` takes."""

Kind = Literal["numpy", "torch", "pil"]
"""(N, H, W, 3) uint8; (N, C, H, W) float32 in [0, 1] on the CPU; or a list of PIL images."""


def pixels_of(given: Pictures, name: str = "images") -> Pixels:
    """Return images of any kind as one array.

    Args:
        given: An array (N, H, W, 3), or (H, W, 3) of one image; a tensor (N, 3 or 1, H, W) of uint8 or of floats in
            [0, 1], which are rounded to 256 levels, or one image of such; a PIL image, which is seen as a person sees
            it, on white where transparent; a sequence of these; or batches of them, as a DataLoader yields them,
            whether or not labels come with them.
        name: What messages call the images.

    Returns:
        Of what holds tensors or PIL images (N, H, W, 3) uint8. Arrays are returned unchecked.

    Raises:
        UserError: A tensor is none of images, PIL images differ in size, or there are none.
    """
    first, second = given if isinstance(given, list | tuple) and len(given) == 2 else (None, None)
    if getattr(first, "ndim", 0) == 4 and getattr(second, "ndim", 4) < 3:  # images and their labels
        given = first
    if isinstance(given, np.ndarray):
        return given[None] if given.ndim == 3 and given.shape[-1] == 3 else given
    if isinstance(given, Tensor):
        return _of_tensor(given, name)
    if isinstance(given, Image.Image):
        if given.mode == "F":
            return _of_tensor(torch.from_numpy(np.array(given))[None], name)
        return np.asarray(as_seen(given, WHITE))[None]
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise UserError(f"{name}: are {type(given).__name__}; arrays, tensors and PIL images are accepted")
    parts = [pixels_of(_alone(part, name), name) for part in given]
    if not parts:
        raise UserError(f"{name}: there are none")
    if len(sizes := {part.shape[-3:-1] for part in parts}) > 1:
        told = " and ".join(f"{width}x{height}" for height, width in sorted(sizes)[:2])
        raise UserError(f"{name}: differ in size, {told}; crop or scale them before")
    return np.concatenate(parts)


def as_kind(pixels: Pixels, kind: Kind, channels: int) -> Any:
    """Return images, (N, H, W, 3) uint8 of so many different channels, as the kind that was asked for.

    Raises:
        UserError: There is no such kind.
    """
    if kind == "numpy":
        return pixels
    if kind == "torch":
        return torch.from_numpy(pixels[..., :channels]).permute(0, 3, 1, 2).contiguous() / 255
    if kind == "pil":
        return [Image.fromarray(each[..., 0] if channels == 1 else each) for each in pixels]
    raise UserError(f"output {kind!r}: is none; 'numpy', 'torch' and 'pil' are accepted")


def _alone(part: Any, name: str) -> Any:
    """Refuse a batch that a DataLoader yields of pairs of images."""
    if isinstance(part, list | tuple) and len(part) == 2 and all(getattr(one, "ndim", 0) == 4 for one in part):
        raise UserError(f"{name}: a batch holds two sets of images; give the images of one alone")
    return part


def _of_tensor(given: Tensor, name: str) -> Pixels:
    images = given.detach()[None] if given.ndim == 3 else given.detach()
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise UserError(f"{name}: are a tensor of shape {tuple(given.shape)}; (N, 3 or 1, H, W) is accepted")
    if images.is_floating_point():
        low, high = images.min().item(), images.max().item()
        if not images.isfinite().all():
            raise UserError(f"{name}: hold NaN or infinity")
        if not -ROUNDING <= low <= high <= 1 + ROUNDING:
            how = "divide them by 255" if low >= 0 else "map what is from -1 to 1 by (x + 1) / 2"
            raise UserError(f"{name}: hold values from {low:g} to {high:g}; floats are accepted from 0 to 1: {how}")
        images = (images.float() * 255).round().clamp(0, 255).to(torch.uint8)
    if images.dtype != torch.uint8:
        raise UserError(f"{name}: are a tensor of {images.dtype}; uint8, or floats from 0 to 1, are accepted")
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
