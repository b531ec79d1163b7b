"""Decoding of image files: as the released code decodes them, or as a person sees them."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from adm.errors import UserError, brief

with suppress(ImportError):  # of the extra `heif`
    from pillow_heif import register_heif_opener

    register_heif_opener()

Image.init()  # else Pillow knows rarer formats only after their first file
FORMATS = sorted(Image.OPEN.keys() & {"AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP"})
"""Accepted formats, whatever the name: Pillow's other decoders start programs or are rarely used."""

ROUNDING = 1e-5
"""By which floats may lie outside [0, 1]."""

SRGB = ImageCms.createProfile("sRGB")


def read_image(file: Path | bytes, place: str = "", background: str | None = None) -> NDArray[np.uint8]:
    """Read an image file, or the first frame of it, as (H, W, 3) uint8.

    Without a background as the released code reads it: grey becomes RGB, transparency is dropped, and neither the
    camera's orientation nor a profile of colours is applied. With one as `as_seen` has it. Errors name the place, or
    the file's path.

    Raises:
        UserError: The file is no image, is damaged, or is larger than Pillow considers safe.
    """
    try:
        with open_image(file) as image:
            return np.asarray(image.convert("RGB") if background is None else as_seen(image, background))
    except Exception as error:  # for damaged bytes, Pillow's decoders raise nearly any exception
        why = "of no format that is known" if isinstance(error, UnidentifiedImageError) else brief(error)
        raise UserError(f"{place or file!s}: is no readable image ({why})") from error


def as_seen(image: Image.Image, background: str) -> Image.Image:
    """Turn an image as its camera says, into sRGB of 8 bits, and lay it on a background where it is transparent.

    Args:
        image: Of any of Pillow's modes. 16 bits are scaled, 32 unless all values fit 8. Floats lie in [0, 1], or in
            [0, 255] if any is above 1, by more than rounding.
        background: A colour by name or as #rrggbb.

    Raises:
        ValueError: Floats are negative, above 255 or NaN.
    """
    image, profile = ImageOps.exif_transpose(image), image.info.get("icc_profile")
    if image.mode == "P":  # whose transparency and profile are told by its colours
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I") or image.mode == "F":
        pixels = np.asarray(image)
        is_float, most = image.mode == "F", pixels.max()
        if is_float and not (pixels.min() >= -ROUNDING and most <= 255):
            raise ValueError("floats lie outside [0, 255]")
        level = 1.0 if is_float or (image.mode == "I" and most < 256) else 257.0
        level = 1 / 255 if is_float and most <= 1 + ROUNDING else level
        image = Image.fromarray(np.round(pixels / level).clip(0, 255).astype(np.uint8))
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L"):
        opaque = image.convert("RGB") if image.mode == "RGBA" else image
        with suppress(ImageCms.PyCMSError, OSError):  # a profile that is none, or of other channels
            own = ImageCms.ImageCmsProfile(BytesIO(profile))
            image = ImageCms.profileToProfile(opaque, own, SRGB, outputMode="RGB") or image
    image = image.convert("RGB")
    return image if alpha is None else Image.composite(image, Image.new("RGB", image.size, background), alpha)


def open_image(file: Path | bytes) -> Image.Image:
    """Open an image, given as a file or its content; no pixel is decoded yet. Raises any exception of Pillow."""
    if isinstance(file, Path) and file.suffix.lower() in (".heic", ".heif") and "HEIF" not in FORMATS:
        raise ValueError("needs pip install pillow-heif")
    return Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS)


def as_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute the luminance of (H, W, 3) uint8 in three equal channels; a grey image stays the same to the bit."""
    luminance = np.asarray(Image.fromarray(image).convert("L"))
    return np.repeat(luminance[..., None], 3, axis=-1)
