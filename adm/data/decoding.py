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


def read_image(file: Path | bytes, place: str = "", *, as_stored: bool = False) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8: grey becomes RGB, transparency is dropped, no orientation is applied.

    `as_stored` refuses images that are not RGB with 8 bits a channel, because there the user must decide how to convert
    them. Errors name the place, or the file's path.

    Raises:
        UserError: The file is no image, is damaged, is larger than Pillow considers safe, or is refused.
    """
    where = place or str(file)
    try:
        with open_image(file) as image:
            # Pillow silently reduces 16 bits per channel to 8, and stores a transparent colour apart from the mode.
            deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
            mode = "RGBA" if "transparency" in image.info and image.mode == "RGB" else image.mode
            pixels = np.asarray(image.convert("RGB"))
    except Exception as error:  # for damaged bytes, Pillow's decoders raise nearly any exception
        raise UserError(f"{where}: is no readable image ({' '.join(str(error).split())[:120]})") from error
    if as_stored and (mode != "RGB" or deep):
        found = f"of mode {mode}" + (" with 16 bits" if deep else "")
        raise UserError(f"{where}: is {found}, not RGB with 8 bits a channel; convert the images first")
    return pixels


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
    """Compute the luminance of (H, W, 3) uint8 in three equal channels; a grey image stays the same to the bit."""
    luminance = np.asarray(Image.fromarray(image).convert("L"))
    return np.repeat(luminance[..., None], 3, axis=-1)
