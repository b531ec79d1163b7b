"""Crops of training images."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DrawInteger = Callable[[int, int], int]
"""Draws an integer from low to high, both included."""

RANDOM_CROP_FRACTION = 0.8
"""A random crop keeps at least this share of the short side."""


def centre_crop(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize the short side of (H, W, 3) uint8 to `size` and cut the middle out: (size, size, 3) uint8."""
    resized = _resize_short_side(Image.fromarray(image), size)
    top, left = (resized.height - size) // 2, (resized.width - size) // 2
    return np.asarray(resized)[top : top + size, left : left + size]


def random_crop(image: NDArray[np.uint8], size: int, draw: DrawInteger) -> NDArray[np.uint8]:
    """Resize the short side of (H, W, 3) uint8 to between size and size / 0.8 and cut (size, size, 3) out anywhere.

    Source: section 4.1 of the paper, "random crops", for the noisy classifier.
    """
    largest = math.ceil(size / RANDOM_CROP_FRACTION)
    resized = _resize_short_side(Image.fromarray(image), draw(size, largest))
    top = draw(0, resized.height - size)
    left = draw(0, resized.width - size)
    return np.asarray(resized)[top : top + size, left : left + size]


def _resize_short_side(image: Image.Image, size: int) -> Image.Image:
    # Halving by box filter first keeps bicubic from aliasing on large images.
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = size / min(image.size)
    shape = (round(image.width * scale), round(image.height * scale))
    return image if shape == image.size else image.resize(shape, Image.Resampling.BICUBIC)
