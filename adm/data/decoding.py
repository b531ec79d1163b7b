"""Decoding of image files, of untrusted origin: formats and sizes are checked before any pixel."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adm.errors import UserError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Accepted formats, whatever the name: Pillow's other decoders start programs or are rarely used."""

FEW_PIXELS = 1 << 20
"""Pixels that a file of any size may declare."""

MOST_INFLATED = 8 * 1032
"""Most pixels from one byte of a PNG: deflate makes 1032 bytes of one byte, each with eight black or white pixels."""

MOST_PIXELS = 89_478_485
"""Most pixels of an image: above this Pillow warns, and above twice this it refuses."""

# As an error, because a warning would print more lines beside the error message.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8: grey becomes RGB, transparency is dropped, no orientation is applied.

    Raises:
        UserError: The file is no image, is damaged, or is larger than Pillow considers safe.
    """
    return _decoded(path, str(path))


def decode(content: bytes, place: str) -> NDArray[np.uint8]:
    """Decode the content of an image file as `read_image` does; errors name `place`."""
    return _decoded(content, place)


def _decoded(file: Path | bytes, place: str) -> NDArray[np.uint8]:
    try:
        with open_image(file) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # for damaged bytes, Pillow's decoders raise nearly any exception
        raise UserError(f"{place}: is no readable image ({' '.join(str(error).split())[:120]})") from error


@contextmanager
def open_image(file: Path | bytes) -> Iterator[Image.Image]:
    """Open an image, given as a file or its content, and check its size against the file's; no pixel is decoded yet.

    Raises:
        ValueError: It declares more pixels than the file can hold.
        Exception: Any exception of Pillow.
    """
    length = len(file) if isinstance(file, bytes) else file.stat().st_size
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
        most = min(FEW_PIXELS + MOST_INFLATED * length, MOST_PIXELS)
        if image.width * image.height > most:
            raise ValueError(f"declares {image.width}x{image.height} pixels, more than the {most} it may")
        yield image


def as_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The luminance of (H, W, 3) uint8 in three equal channels; a grey image stays the same to the bit."""
    luminance = np.asarray(Image.fromarray(image).convert("L"))
    return np.repeat(luminance[..., None], 3, axis=-1)
