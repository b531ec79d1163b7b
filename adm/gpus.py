"""Which GPU of its machine a process takes: jobs side by side are not to meet on the first."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from adm.params.errors import UserError

_taken: dict[int, FileLock] = {}
"""The GPU of this process, and the lock that it holds for its life: the system lets go of it, however it ends."""


def take(names: Sequence[str], first: int = 0) -> int:
    """Take the first GPU that no other process of this user holds, for as long as this one lives.

    Args:
        names: What this machine calls the GPUs that are visible here, the same in every process.
        first: The number of the one to try first, so that processes of one job need not try each other's.

    Returns:
        Its number; the same one when asked again.

    Raises:
        UserError: All are held.
    """
    if not _taken:
        number, lock = _lock(names, first)
        _taken[number] = lock
    return next(iter(_taken))


def _lock(names: Sequence[str], first: int) -> tuple[int, FileLock]:
    for number in [*range(first, len(names)), *range(first)]:
        # Of this user alone: others may not open it.
        lock = FileLock(Path(tempfile.gettempdir(), f"adm-{os.getuid()}-{names[number]}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return number, lock
    count = len(names)
    raise UserError(f"device 'cuda': other jobs hold all {count} GPUs here; give snakemake --resources gpu={count}")
