"""The choice of a GPU for a process, so that concurrent jobs do not share the first one."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from adm.errors import UserError

_taken: dict[int, FileLock] = {}
"""The GPU of this process and its lock. The system releases the lock when the process ends in any way."""


def take(names: Sequence[str], first: int = 0) -> int:
    """Take the first GPU that no other process of this user holds, for the life of this process.

    Args:
        names: Names of the visible GPUs that are the same in every process, such as uuids.
        first: The number of the GPU to try first, so that the processes of a job try different ones.

    Returns:
        The number of the GPU; repeated calls return the same.

    Raises:
        UserError: Other processes hold all of them.
    """
    if not _taken:
        number, lock = _lock(names, first)
        _taken[number] = lock
    return next(iter(_taken))


def _lock(names: Sequence[str], first: int) -> tuple[int, FileLock]:
    for number in [*range(first, len(names)), *range(first)]:
        # The name holds the user id: other users cannot open the file.
        lock = FileLock(Path(tempfile.gettempdir(), f"adm-{os.getuid()}-{names[number]}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return number, lock
    count = len(names)
    raise UserError(f"device 'cuda': other jobs hold all {count} GPUs here; give snakemake --resources gpu={count}")
