"""Cut two photographs of scikit-learn into a folder of images as people have them: photos/temple and photos/flower.

Sixty patches of each: most are JPEGs, some lie on their side as a phone's pictures do, some are cut-outs on
transparency, scans of 16 bits, or HEIC where pillow-heif is installed. One more file is cut short.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

try:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    HEIC = ".heic"
except ModuleNotFoundError:
    HEIC = ".jpg"

ORIENTATION, TURNED = 0x0112, 6
"""The field of EXIF, and its value for a camera that was held upright and saved the picture lying."""


def save(patch: Image.Image, path: Path, way: int) -> None:
    """Save a square patch in one of ten ways; six are plain JPEGs."""
    side = patch.width
    if way == 0:
        exif = Image.Exif()
        exif[ORIENTATION] = TURNED
        patch.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif)
    elif way == 1:  # a disc
        y, x = np.mgrid[:side, :side] - side / 2
        patch.putalpha(Image.fromarray((255 * (x**2 + y**2 < (0.45 * side) ** 2)).astype(np.uint8)))
        patch.save(path.with_suffix(".png"))
    elif way == 2:
        grey = np.asarray(patch.convert("L")).astype(np.uint16) * 257
        Image.fromarray(grey).save(path.with_suffix(".png"))
    else:
        patch.save(path.with_suffix(HEIC if way == 3 else ".jpg"))


def main() -> None:
    """Write the folders."""
    draw = np.random.default_rng(0)
    for name, pixels in zip(("temple", "flower"), load_sample_images().images, strict=True):
        folder = Path("photos", name)
        folder.mkdir(parents=True, exist_ok=True)
        photo = Image.fromarray(pixels)
        for number in range(60):
            side = int(draw.integers(96, 193))
            left, top = draw.integers(photo.width - side), draw.integers(photo.height - side)
            save(photo.crop((left, top, left + side, top + side)), folder / f"{number:02}", number % 10)
    whole = Path("photos/temple/04.jpg").read_bytes()
    Path("photos/temple/broken.jpg").write_bytes(whole[: len(whole) // 2])
    Path("photos/notes.txt").write_text("Not an image.\n")


if __name__ == "__main__":
    main()
