"""Atomic writing: into a temporary place, flushed, then renamed. Bytes depend on the content alone."""

import ctypes
import fcntl
import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from adm.errors import UserError

RENAME_EXCHANGE = 2
"""Flag of Linux's renameat2: exchange two existing paths."""

AT_FDCWD = -100
"""The working folder, in system calls that take a folder."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` when the block ends well, and vanishes when it does not.

    An existing `out` is replaced at the end, by one atomic exchange. Where the system has none (NFS, macOS), it is
    moved aside first: if the process is killed between the two renames, `out` does not exist.

    Raises:
        UserError: `out` is a file, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file, but a folder is to be written there")
    with _beside(out) as partial:
        yield partial
        for path in partial.rglob("*"):
            flush(path)
        flush(partial)
        if out.exists():
            _exchange(partial, out)
        else:
            partial.rename(out)


@contextmanager
def new_files(*outs: Path) -> Iterator[list[Path]]:
    """Yield paths to write to; the files become `outs` when the block ends well, and vanish when it does not.

    No file is renamed before all are written.

    Args:
        outs: In one folder.

    Raises:
        UserError: One of them cannot be written.
    """
    with _beside(outs[0]) as folder:
        partials = [folder / out.name for out in outs]
        yield partials
        for partial in partials:
            flush(partial)
        for partial, out in zip(partials, outs, strict=True):
            partial.replace(out)


@contextmanager
def new_file(out: Path) -> Iterator[Path]:
    """Yield a path to write to; the file becomes `out` when the block ends well, and vanishes when it does not.

    Raises:
        UserError: It cannot be written.
    """
    with new_files(out) as (partial,):
        yield partial


def remove_folder(path: Path) -> None:
    """Remove a folder if it exists. If the process is killed, it is there whole or not at all."""
    if path.exists():
        with _beside(path) as partial:
            path.rename(partial)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy where the filesystem has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON in the order given; NaN and infinity are refused, since JSON has none."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def flush(path: Path) -> None:
    """Flush the content of a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `out`, and remove it afterwards.

    Its name is hidden, so that nothing takes it for an artifact. It is locked while its process lives: a later process
    removes the unlocked folders that killed ones left for this `out`, and nothing else. On a filesystem without locks
    they stay.
    """
    with _named(out):
        made = [folder for folder in out.parents if not folder.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(out)
        partial = out.with_name(_prefix(out) + secrets.token_hex(4))
        partial.mkdir()
        lock = os.open(partial, os.O_RDONLY)
        with suppress(OSError):  # a filesystem without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield partial
            for folder in (out.parent, *(folder.parent for folder in made)):
                flush(folder)
        finally:
            _remove(partial)
            os.close(lock)


@contextmanager
def _named(out: Path) -> Iterator[None]:
    """Make system errors name `out` if they name no file, as on a full disk, or a temporary one."""
    try:
        yield
    except OSError as error:
        above = error.filename is not None and Path(error.filename) in out.parents
        if error.filename and not above and not str(error.filename).startswith(str(out.with_name(_prefix(out)))):
            raise
        where = f"{error.filename}: " if above else ""
        raise UserError(f"{out}: cannot be made: {where}{error.strerror or error}") from error


def _remove_abandoned(out: Path) -> None:
    for left in out.parent.glob(f"{glob.escape(_prefix(out))}*"):
        with suppress(OSError):  # another process writes there, or just removed it, or there are no locks
            lock = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(left)
            finally:
                os.close(lock)


def _prefix(out: Path) -> str:
    return f".{out.name}.partial-"


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 and renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE) == 0:
        return
    aside = new.with_name(f"{new.name}-aside")
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise
    aside.rename(new)
