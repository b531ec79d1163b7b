"""A small class-conditional GAN in the style of BigGAN: a generator and a projection discriminator."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from adm.config.models import Gan
from adm.nets.layers import plain_resampling

WEIGHTS = "generator.safetensors"
"""The file of the generator's averaged weights in a trained GAN's folder."""

GROUP_CHANNELS = 8
"""Channels in each group of the generator's normalisation."""


def start_side(image_size: int) -> int:
    """Return the side at which a generator starts: `image_size`, halved while it is even and greater than four."""
    return start_side(image_size // 2) if image_size > 4 and image_size % 2 == 0 else image_size


def level_channels(channels: int, image_size: int) -> list[int]:
    """List the channels of each level, from the full resolution down; each halving of the side doubles them."""
    num_halvings = (image_size // start_side(image_size)).bit_length() - 1
    return [channels << level for level in range(num_halvings + 1)]


class ConditionalNorm(nn.Module):
    """GroupNorm whose scale and shift are linear in the condition.

    It replaces BigGAN's conditional batch norm. Without batch statistics an image depends only on its own latent, and
    the averaged generator needs no statistics of its own. `channels` is a multiple of 8.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(channels // GROUP_CHANNELS, channels, affine=False)
        self.modulation = nn.Linear(width, 2 * channels)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """Normalise `h: (B, C, H, W)` and modulate it by `condition: (B, width)`."""
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        modulated: Tensor = torch.addcmul(shift, self.norm(h), 1 + scale)
        return modulated


class UpBlock(nn.Module):
    """Residual block of the generator; it doubles both sides if it goes up, or keeps them."""

    def __init__(self, in_channels: int, out_channels: int, width: int, up: bool) -> None:
        super().__init__()
        self.resample = plain_resampling("up") if up else nn.Identity()
        self.norm_in = ConditionalNorm(in_channels, width)
        self.convolution_in = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm_out = ConditionalNorm(out_channels, width)
        self.convolution_out = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map `x: (B, C_in, H, W)` to `(B, C_out, H', W')` under `condition: (B, width)`."""
        h = self.convolution_in(self.resample(F.relu(self.norm_in(x, condition))))
        h = self.convolution_out(F.relu(self.norm_out(h, condition)))
        added: Tensor = self.skip(self.resample(x)) + h
        return added


class Generator(nn.Module):
    """A generator of images from latents and labels; latent and class embedding together condition every block.

    Images have sides of `image_size`, and 3 channels, or 1 where they are grey.

    Source: Brock et al. (2018), whose samples the paper compares with (Figure 6).
    """

    def __init__(self, gan: Gan, image_size: int, num_classes: int, image_channels: int = 3) -> None:
        super().__init__()
        channels, width = level_channels(gan.channels, image_size)[::-1], 2 * gan.latent
        self.latent = gan.latent
        self.embedding = nn.Embedding(num_classes, gan.latent)
        self.side = start_side(image_size)
        self.dense = nn.Linear(width, channels[0] * self.side**2)
        pairs = zip([channels[0], *channels], channels, strict=False)
        self.blocks = nn.ModuleList(UpBlock(c, d, width, up=level > 0) for level, (c, d) in enumerate(pairs))
        self.norm = nn.GroupNorm(channels[-1] // GROUP_CHANNELS, channels[-1])
        self.output = nn.Conv2d(channels[-1], image_channels, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Make images.

        Args:
            z: (B, latent) float32, nominally standard normal.
            y: (B,) int64, classes.

        Returns:
            (B, C, H, W) float32 in [-1, 1].
        """
        condition = torch.cat([z, self.embedding(y)], dim=1)
        h = self.dense(condition).unflatten(1, (-1, self.side, self.side))
        for block in self.blocks:
            h = block(h, condition)
        return torch.tanh(self.output(F.relu(self.norm(h))))


class DownBlock(nn.Module):
    """Residual block of the discriminator without normalisation; it halves both sides if it goes down, or keeps them.

    The input of the first one is an image, and no activation comes before its first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.activation = nn.Identity() if first else nn.ReLU()
        self.convolution_in = spectral_norm(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.convolution_out = spectral_norm(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = spectral_norm(nn.Conv2d(in_channels, out_channels, 1))
        self.resample = plain_resampling("down") if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map `x: (B, C_in, H, W)` to `(B, C_out, H', W')`."""
        h = self.convolution_out(F.relu(self.convolution_in(self.activation(x))))
        resampled: Tensor = self.resample(self.skip(x) + h)
        return resampled


class Discriminator(nn.Module):
    """Tells real images from generated ones; the class enters by an inner product with the features.

    Every weight is spectrally normalised; torch's global generator draws the initial singular vectors. For images see
    `Generator`.

    Source: Miyato and Koyama (2018), as in Brock et al. (2018).
    """

    def __init__(self, gan: Gan, image_size: int, num_classes: int, image_channels: int = 3) -> None:
        super().__init__()
        channels = level_channels(gan.channels, image_size)
        pairs = list(zip([image_channels, *channels], channels, strict=False))
        last = len(pairs) - 1
        self.blocks = nn.Sequential(
            *(DownBlock(c, d, down=level < last, first=level == 0) for level, (c, d) in enumerate(pairs)),
            DownBlock(channels[-1], channels[-1], down=False),
        )
        self.linear = spectral_norm(nn.Linear(channels[-1], 1))
        self.embedding = spectral_norm(nn.Embedding(num_classes, channels[-1]))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Judge images.

        Args:
            x: (B, C, H, W) float32 in [-1, 1].
            y: (B,) int64, classes.

        Returns:
            (B,) float32; greater means more real.
        """
        features = F.relu(self.blocks(x)).sum(dim=(2, 3))
        judged: Tensor = self.linear(features).squeeze(1) + (self.embedding(y) * features).sum(dim=1)
        return judged
