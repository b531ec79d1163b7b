"""The image files of a folder: which there are, and whether any is added, changed or removed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from adm.artifacts.manifest import sha256
from adm.artifacts.writing import new_file
from adm.config.data import SOURCES_OF, ImageSource
from adm.errors import UserError
from adm.progress import progress

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")
"""Endings of the names of images, in lower case; files with other endings are skipped."""


def class_names(folder: Path) -> list[str]:
    """Return the names of the classes' folders, in order."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def names_of_images(folder: Path) -> list[str]:
    """Return the names of the images that lie in a folder itself, in order."""
    # Names, not paths: a million paths would take hundreds of megabytes. Files of the system with the same ending
    # begin with a dot; they are no images.
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if name.lower().endswith(ENDINGS) and not name.startswith(".")]


def content(dataset: ImageSource) -> dict[str, Any]:
    """Identify a dataset's image files: their number, and a hash of their names and bytes.

    Hashes of files are kept in the user's cache; only files with another size or time than there are read.
    """
    root, known = Path(str(dataset.root)).resolve(), dict[str, list[Any]]()
    kept = user_cache_path("adm") / "images" / f"{hashlib.sha256(f'{dataset.source} {root}'.encode()).hexdigest()}.json"
    with suppress(OSError, ValueError):
        known = json.loads(kept.read_text(encoding="utf-8"))
    hashed = {
        name: known[name] if known.get(name, [])[:2] == seen else [*seen, sha256(root / name)]
        for name, *seen in progress(list(_listed(dataset)), unit="image")
    }
    if hashed != known:
        with suppress(OSError, UserError), new_file(kept) as path:  # a home that cannot be written to costs time
            path.write_text(json.dumps(hashed), encoding="utf-8")
    lines = "".join(f"{name}\0{of_bytes}\n" for name, (*_, of_bytes) in hashed.items())
    return {"count": len(hashed), "sha256": hashlib.sha256(os.fsencode(lines)).hexdigest()[:16]}


def _listed(dataset: ImageSource) -> Iterator[tuple[str, int, int]]:
    """Yield name in the root, size and time of each image file, in order; nothing of sources that are no folders."""
    if dataset.source not in SOURCES_OF["stored"]:
        return
    root = str(dataset.root)
    for folder in [f"{name}/" for name in class_names(Path(root))] if dataset.source == "folder" else [""]:
        for name in names_of_images(Path(root, folder)):
            seen = os.stat(f"{root}/{folder}{name}")  # noqa: PTH116 -- of a million files no paths are made
            yield f"{folder}{name}", seen.st_size, seen.st_mtime_ns
