"""Writing: under a temporary name, flushed, then renamed; bytes depend on content alone."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.params.errors import UserError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` when the block ends well, and vanishes when it does not.

    An `out` that exists is replaced only then, in two renames: killed between them, it stands beside its place, under
    the name `.<out>.replaced-<process>`.

    Raises:
        UserError: `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file, but a folder is to be written there")
    partial = _partial(out)
    # A killed process of the same number may have left one: in containers numbers come again soon.
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                _flush(path)
        if out.exists():
            replaced = out.with_name(f".{out.name}.replaced-{os.getpid()}")
            shutil.rmtree(replaced, ignore_errors=True)
            out.rename(replaced)
            try:
                partial.rename(out)
            except OSError:
                replaced.rename(out)
                raise
            shutil.rmtree(replaced)
        else:
            partial.rename(out)
        _flush(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def new_file(out: Path) -> Iterator[Path]:
    """Yield a path to write to; the file becomes `out` when the block ends well, and vanishes when it does not."""
    partial = _partial(out)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        _flush(partial)
        partial.replace(out)
        _flush(out.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON in the order given; NaN and infinity are refused, since JSON has none."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_npz(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an uncompressed npz; numpy stamps its entries with a constant date, so equal arrays give equal bytes."""
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _partial(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial-{os.getpid()}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
