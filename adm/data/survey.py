"""One look at a folder of images: its classes, how many images each has, and which of them will not do."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adm.data.decoding import as_seen, open_image
from adm.data.duplicates import alike_told, first_alike, thumbnail
from adm.data.listing import class_names, names_of_images
from adm.errors import UserError, brief
from adm.progress import progress

MOST_DECODED = 20_000
"""Images that are decoded; of more the headers alone are read, which tell all but damage in the middle."""


@dataclass(frozen=True)
class Survey:
    """The content of a folder.

    Attributes:
        root: The folder that a dataset of these images has as its `root`.
        source: That dataset's source.
        counts: How many images each class has, by the class's name; of images without classes that of all, as "".
        modes: How many images have each of Pillow's modes.
        sides: The shortest and the longest short side, in pixels.
        broken: Images that cannot be read, and why.
        small: Images whose short side is below the one asked for, and their sizes.
        left_out: How many other files lie in the folder and in the folders within, by their endings.
        thumbnails: As `thumbnail` makes them, (N, 8, 8, 3); None if headers alone were read.
        alike, alike_told: Near-duplicates, as `first_alike` has them, and in words; None as well.
    """

    root: Path
    source: Literal["folder", "lsun"]
    counts: dict[str, int]
    modes: Counter[str]
    sides: tuple[int, int]
    broken: dict[str, str]
    small: dict[str, str]
    left_out: Counter[str]
    thumbnails: NDArray[np.uint8] | None
    alike: NDArray[np.int64] | None
    alike_told: str

    @property
    def num_images(self) -> int:
        """The number of images of all classes."""
        return sum(self.counts.values())


def survey(folder: Path, side: int, has_labels: bool, background: str) -> Survey:
    """Look at a folder of images.

    Args:
        folder: With a folder of images a class; without labels images may lie in the folder itself.
        side: The short side that each image must have at least, so that none is enlarged.
        has_labels: Whether there must be classes: two at least.
        background: The colour that transparent images are laid on.

    Raises:
        UserError: The folder, or a class, holds no image, or there are no classes.
        OSError: A folder cannot be listed.
    """
    root, source, names = _names(folder, has_labels)
    files = [Path(root, name, file) for name, files in names.items() for file in files]
    decoded = len(files) <= MOST_DECODED
    looks = {str(file.relative_to(root)): look for file, look in _looks(files, background if decoded else None)}
    broken = {name: look for name, look in looks.items() if isinstance(look, str)}
    seen = {name: look for name, look in looks.items() if not isinstance(look, str)}
    modes = Counter(mode for mode, *_ in seen.values())
    sides = [min(width, height) for _, width, height, _ in seen.values()]
    small = {name: f"{look[1]}x{look[2]}" for name, look in seen.items() if min(look[1:3]) < side}
    counts = {name: len(files) for name, files in names.items()}
    shortest = (min(sides, default=0), max(sides, default=0))
    there = {path for path in folder.rglob("*") if path.is_file()}
    left_out = Counter((path.suffix or path.name).lower() for path in sorted(there.difference(files)))
    del left_out[".ds_store"]
    thumbnails = np.stack([look[3] for look in seen.values()]) if decoded and not broken else None
    alike = None if thumbnails is None else first_alike(thumbnails)
    told = "" if alike is None else alike_told(alike, lambda index: str(files[index].relative_to(root)))
    return Survey(root, source, counts, modes, shortest, broken, small, left_out, thumbnails, alike, told)


def _names(folder: Path, has_labels: bool) -> tuple[Path, Literal["folder", "lsun"], dict[str, list[str]]]:
    """Return where a dataset's images are, of which source, and the names of each class's files."""
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; a folder with one folder of images a class is accepted")
    classes, loose = class_names(folder), names_of_images(folder)
    if not has_labels and loose:
        return folder, "lsun", {"": loose}
    if not classes:
        hint = "put each class into a folder of its own, or say --unlabelled" if loose else "it must hold images"
        raise UserError(f"{folder}: has no folder of images{', but loose ones' if loose else ''}; {hint}")
    if len(classes) == 1:
        if has_labels:
            raise UserError(f"{folder}: has one class alone, {classes[0]!r}; two are needed; or say --unlabelled")
        folder = folder / classes[0]
    by_class = {name: names_of_images(folder / name) for name in (classes if len(classes) > 1 else [""])}
    for name, files in by_class.items():
        if not files:
            hint = "remove it, or put images there, not into folders of its own"
            raise UserError(f"{folder / name}: holds no image; {hint}")
    return folder, "folder" if len(classes) > 1 else "lsun", by_class


def _looks(files: list[Path], background: str | None) -> Iterator[tuple[Path, tuple[Any, ...] | str]]:
    """Tell of each file its mode, width, height and thumbnail, or what is wrong; no background: none is decoded."""

    def look(file: Path) -> tuple[Any, ...] | str:
        try:
            with open_image(file) as image:
                seen = None if background is None else thumbnail(np.asarray(as_seen(image, background)))
                return image.mode, image.width, image.height, seen
        except Exception as error:  # damaged bytes make Pillow's decoders raise nearly anything
            return brief(error)

    with ThreadPoolExecutor() as pool:
        yield from progress(zip(files, pool.map(look, files), strict=True), total=len(files), unit="image")
