"""Training batches, each a function of the seed of the data and the step; and the choice of images of a study."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adm.artifacts.manifest import EVERY
from adm.data.crops import draw_crop
from adm.data.shards import ImageShards, Labelled
from adm.determinism import generator
from adm.errors import NotFiniteError, UserError

ORDER, AUGMENTATION = 0, 1
"""Streams of random numbers of a training run; `adm.training` owns those from 2 on."""


def to_unit_range(images: NDArray[np.uint8] | Tensor, channels: int = 3) -> Tensor:
    """Turn (B, H, W, 3) uint8 into (B, channels, H, W) float32 in [-1, 1], on the device of the images.

    These are all channels, or the first, as all are alike.
    """
    levels = torch.as_tensor(images).permute(0, 3, 1, 2)[:, :channels]
    levels = levels.to(torch.float32, memory_format=torch.contiguous_format)
    # Divided by a tensor: with a number, a GPU multiplies by its rounded reciprocal, which changes the last bit.
    return levels / levels.new_full((), 127.5) - 1


def to_uint8(x: Tensor) -> NDArray[np.uint8]:
    """Turn (B, 3 or 1, H, W) float32, nominally in [-1, 1], into (B, H, W, 3) uint8, cut off as in published samples.

    One channel becomes three equal ones.

    Raises:
        NotFiniteError: A pixel is NaN or infinite; the cast would make it black or white.
    """
    if not x.isfinite().all():
        lost = int((~x.isfinite()).flatten(1).any(dim=1).sum())
        raise NotFiniteError(f"{lost} of {len(x)} images made together hold NaN or infinity; try another precision")
    pixels = ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


@dataclass(frozen=True)
class Batches:
    """Batches of a shuffled, endlessly repeated dataset.

    Args:
        images: The dataset; random crops are of `ImageShards`.
        image_size: Side of the crops.
        batch_size: Images a step.
        crop: "centre" uses the images as they are read; "random" draws a new crop each time, of the source image where
            the dataset stores files, else of the image as prepared.
        flip: Mirror each image with probability 1/2.
        seed: The training run's seed of the data.
        channels: How many of the images' channels are seen, 3 or 1.
    """

    images: ImageShards | Labelled
    image_size: int
    batch_size: int
    crop: Literal["centre", "random"]
    flip: bool
    seed: int
    channels: int = 3

    def at(self, step: int, rows: slice = EVERY) -> tuple[Tensor, Tensor]:
        """Return the batch of a step, or some rows: x_0 (B, channels, H, W) float32 in [-1, 1], labels (B,) int64."""
        pixels, y = self.pixels_at(step, rows)
        return to_unit_range(pixels), y

    def pixels_at(self, step: int, rows: slice = EVERY) -> tuple[Tensor, Tensor]:
        """Return the same before it is rescaled: (B, H, W, channels) uint8, labels (B,) int64.

        The random numbers of the whole batch are always drawn; only the images of the rows are read.
        """
        batch = self._indices(step)
        indices = batch[rows]
        draws = generator(self.seed, step, AUGMENTATION)
        if self.crop == "random":
            assert not isinstance(self.images, Labelled)

            def integer(low: int, high: int) -> int:
                return int(torch.randint(low, high + 1, (), generator=draws))

            crops = [draw_crop(height, width, self.image_size, integer) for height, width in self.images.shapes(batch)]
            images: NDArray[np.uint8] = self.images.cut(indices, self.image_size, crops[rows])
        else:
            images = self.images[indices]
        pixels = torch.from_numpy(images)[..., : self.channels]
        if self.flip:
            mirrored = (torch.rand(self.batch_size, generator=draws) < 0.5)[rows]
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
        return pixels.contiguous(), torch.from_numpy(self.images.labels[indices])

    def _indices(self, step: int) -> NDArray[np.int64]:
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, offsets = np.divmod(positions, len(self.images))
        return np.array(
            [_permutation(self.seed, int(e), len(self.images))[o] for e, o in zip(epochs, offsets, strict=True)]
        )


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, length: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = torch.randperm(length, generator=generator(seed, epoch, ORDER)).numpy()
    return order


def choose(seed: int, stream: int, data: ImageShards, count: int, place: Path) -> NDArray[np.int64]:
    """Choose distinct images at random, by (count,) indices; a smaller count gives the first ones of a larger count.

    Raises:
        UserError: The dataset has fewer images; names its place.
    """
    if count > len(data):
        raise UserError(f"{place}: has {len(data)} images, but the study needs {count} different ones")
    chosen: NDArray[np.int64] = torch.randperm(len(data), generator=generator(seed, stream))[:count].numpy()
    return chosen
