"""Finished blocks of a sampling job, kept on disk until its batch is written; a killed job resumes from them."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from adm.artifacts.manifest import fingerprint
from adm.artifacts.reading import read_npz
from adm.artifacts.writing import new_file, remove_folder
from adm.errors import UserError
from adm.parallel import ALONE, Group
from adm.progress import progress
from adm.sampling.batch import Samples

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlockStore:
    """Blocks by number, one file each.

    Attributes:
        folder: The folder of the files.
        group: The processes that compute the blocks; the first one reads and writes.
    """

    folder: Path
    group: Group

    def fill(self, blocks: Sequence[int], sampled: Callable[[int], Samples]) -> None:
        """Compute the missing and damaged blocks with `sampled`; each is written as soon as it is finished."""
        # Only the first process looks at the disk: all must agree on what is missing.
        missing = [block for block in blocks if not self.group.broadcast(self.group.is_main and self._is_whole(block))]
        finished = self.group.map(sampled, missing)
        bar = progress(finished, len(blocks), "block", initial=len(blocks) - len(missing))
        for number, (images, labels) in zip(missing, bar, strict=True):
            if self.group.is_main:
                with new_file(self._path(number)) as path:
                    np.savez(path, images=images, labels=labels)

    def read(self, number: int) -> Samples:
        """Read a block.

        Raises:
            UserError: It is missing or damaged.
        """
        expected = {"images": ("uint8", (None, None, None, 3)), "labels": ("int64", (None,))}
        return Samples(**read_npz(self._path(number), expected))

    def _is_whole(self, number: int) -> bool:
        if not self._path(number).exists():
            return False
        try:
            self.read(number)
        except UserError as error:
            logger.warning("warning: %s; the block is sampled again", error)
            return False
        return True

    def _path(self, number: int) -> Path:
        return self.folder / f"block-{number:06d}.npz"


@contextmanager
def block_store(work: Path, made_by: Mapping[str, Any], group: Group = ALONE) -> Iterator[BlockStore]:
    """Yield the locked store of a sampling job; it is removed when the context ends without an error.

    Its folder is named by a fingerprint of everything that decides the samples. A job with other params or other
    checkpoints therefore never resumes from it. Blocks that such a job left under the same `work`, this job's own
    folder, are removed. Of several processes the first one holds the lock.

    Raises:
        UserError: Another process holds the lock.
    """
    store = BlockStore(work / fingerprint(made_by), group)
    if not group.is_main:
        yield store
        return
    work.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work.with_name(f"{work.name}.lock"), timeout=0) as lock:
            for other in work.glob("*"):
                if other != store.folder:
                    shutil.rmtree(other)
            yield store
            remove_folder(work)
            # A process that opened the lock file meanwhile notices that it is gone, and makes a new one.
            Path(lock.lock_file).unlink()
    except Timeout as error:
        raise UserError(f"{error.lock_file}: another process holds it and samples this run") from error
