"""Features of DINOv2, with the preprocessing of dgm-eval: a vision transformer whose class token is the features."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from adm.metrics.features import Images

NETWORKS = {"dinov2-vitl14": {"width": 1024, "depth": 24, "heads": 16, "patch": 14, "trained_side": 518}}
"""Published networks by name. Source: the code that Oquab et al. 2023 published."""

SIDE = 224
"""Side to which images are resized."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of red, green and blue in [0, 1]."""

EPSILON = 1.0e-6
"""Epsilon of all layer norms."""

OFFSET = 0.1
"""Added to the number of patches a side before position embeddings are resized: it shifts them a little. Source: the
published code of Oquab et al. 2023."""


class VisionTransformer(nn.Module):
    """A transformer over patches of square images.

    Args:
        width: Numbers of a token, a multiple of `heads`.
        depth: Blocks.
        heads: Heads of attention.
        patch: Side of a patch in pixels.
        trained_side: Side of the images that the position embeddings are of, in pixels.

    Source: Dosovitskiy et al. 2021 (the network); Oquab et al. 2023, by their published code (DINOv2).
    """

    def __init__(self, width: int, depth: int, heads: int, patch: int, trained_side: int) -> None:
        super().__init__()
        self.grid = trained_side // patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, width))
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, patch, patch)))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Return the class token behind the last norm.

        Args:
            images: (N, 3, side, side) float32, normalised; the side is a multiple of that of a patch.

        Returns:
            (N, width) float32.
        """
        patches: Tensor = self.patch_embed(images)
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(patches.shape[-1])
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        class_token: Tensor = self.norm(self.blocks(torch.cat([first, tokens], dim=1))[:, 0])
        return class_token

    def _positions(self, side: int) -> Tensor:
        """Return the position embeddings (1, side squared, width) of as many patches."""
        learned = self.pos_embed[:, 1:]
        if side == self.grid:
            return learned
        square = learned.reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        resized = F.interpolate(square, scale_factor=(side + OFFSET) / self.grid, mode="bicubic")
        return resized.flatten(2).transpose(1, 2)


class Block(nn.Module):
    """Attention and a perceptron, each behind a norm, scaled by channel and added to the tokens (N, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, EPSILON), nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(width, 4 * width), act=nn.GELU(), fc2=nn.Linear(4 * width, width))
        )
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, width) float32 to the same."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        outputs: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return outputs


class Attention(nn.Module):
    """Self-attention of several heads over tokens (N, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, width) float32 to the same."""
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        projected: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return projected


class Scale(nn.Module):
    """A factor a channel, (width,) float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, width) float32 to the same."""
        return tokens * self.gamma


def empty_network(name: str) -> VisionTransformer:
    """Return a network of NETWORKS on the meta device: names and shapes without values."""
    with torch.device("meta"):
        return VisionTransformer(**NETWORKS[name])


def prepare(images: Images) -> Tensor:
    """Resize images and normalise their pixels.

    Pillow resizes: bicubic, antialiased where images shrink, rounded to whole values and clipped.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N, 3, SIDE, SIDE) float32, about -2.1 to 2.7.

    Source: Stein et al. 2023, in the default of their code: torchvision's resizing of Pillow's images.
    """
    resized = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in images]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in resized])).permute(0, 3, 1, 2)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (pixels.float() / 255 - mean) / deviation


class Dinov2(nn.Module):
    """A network of NETWORKS with its preprocessing. It gives pooled features alone: its others are (N, 0).

    Args:
        path: The weights, a safetensors file.
        name: Of NETWORKS.

    Raises:
        OSError: The file cannot be read.

    Source: Oquab et al. 2023; Stein et al. 2023 (the class token as features).
    """

    def __init__(self, path: Path, name: str) -> None:
        super().__init__()
        self.network = empty_network(name)
        self.network.load_state_dict(load_file(path), assign=True)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the features of images, (N, H, W, 3) uint8."""
        pool: Tensor = self.network(prepare(images.cpu().numpy()).to(images.device))
        return pool, pool[:, :0], pool[:, :0]
