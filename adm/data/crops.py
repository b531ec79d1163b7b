"""Crops of training images."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RANDOM_CROP_FRACTION = 0.8
"""Smallest side of a random crop, as a share of the image's short side."""


def centre_crop(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize the short side of (H, W, 3) uint8 to `size` and cut out the middle: (size, size, 3) uint8."""
    resized = _resize_short_side(Image.fromarray(image), size)
    top, left = (resized.height - size) // 2, (resized.width - size) // 2
    return np.asarray(resized)[top : top + size, left : left + size]


class Crop(NamedTuple):
    """A square crop: the short side to resize to first, in pixels, and the crop's corner."""

    side: int
    top: int
    left: int


def draw_crop(height: int, width: int, size: int, draw: Callable[[int, int], int]) -> Crop:
    """Draw a crop from an image's size: a short side from size to size / 0.8, and any corner.

    `draw` draws an integer from low to high, both included.

    Source: section 4.1 of the paper, "random crops", for the noisy classifier.
    """
    side = draw(size, math.ceil(size / RANDOM_CROP_FRACTION))
    width, height = _resized((width, height), side)
    return Crop(side, draw(0, height - size), draw(0, width - size))


def cut(image: NDArray[np.uint8], size: int, crop: Crop) -> NDArray[np.uint8]:
    """Return the crop of (H, W, 3) uint8: (size, size, 3) uint8."""
    resized = np.asarray(_resize_short_side(Image.fromarray(image), crop.side))
    return resized[crop.top : crop.top + size, crop.left : crop.left + size]


def _resize_short_side(image: Image.Image, size: int) -> Image.Image:
    shape = _resized(image.size, size)
    # Halving with a box filter first avoids aliasing of bicubic on large images.
    while min(image.size) >= 2 * size:
        image = image.resize(_halved(image.size), Image.Resampling.BOX)
    return image if shape == image.size else image.resize(shape, Image.Resampling.BICUBIC)


def _resized(shape: tuple[int, int], size: int) -> tuple[int, int]:
    while min(shape) >= 2 * size:
        shape = _halved(shape)
    scale = size / min(shape)
    return round(shape[0] * scale), round(shape[1] * scale)


def _halved(shape: tuple[int, int]) -> tuple[int, int]:
    return shape[0] // 2, shape[1] // 2
