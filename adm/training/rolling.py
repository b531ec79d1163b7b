"""The rolling state of a segment: saved now and then, outside what the engines know of, so that neither deletes it."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adm.artifacts.writing import new_folder
from adm.parallel import ALONE, Group
from adm.params.errors import UserError
from adm.training.state import TrainingState


@contextmanager
def rolling_folder(work: Path, made_by: Mapping[str, Any], group: Group = ALONE) -> Iterator[Path]:
    """Yield the folder of a segment's rolling state, locked; it goes when the block ends well.

    It is named after everything that decides the result, so a run with other params never meets it.

    Args:
        work: Where rolling states are.
        made_by: What decides the result, from `adm.artifacts.manifest.provenance`.
        group: The processes that train it; the first one holds the lock.

    Raises:
        UserError: Another process holds the lock.
    """
    fingerprint = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]
    folder = work / fingerprint
    if not group.is_first:
        yield folder
        return
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / f"{fingerprint}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{lock.lock_file}: another process holds it and trains this segment") from error
    try:
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def save_rolling(state: TrainingState, folder: Path) -> None:
    """Save a state beside the last one, which goes only when the new one is whole."""
    with new_folder(_state_of(folder, state.step)) as new:
        state.save(new)
    for old in sorted(folder.glob("step-*"))[:-1]:
        shutil.rmtree(old)


def newest(folder: Path, group: Group = ALONE) -> Path | None:
    """The state that `save_rolling` wrote last, as the first process sees it; None before the first."""
    steps = [int(path.name.removeprefix("step-")) for path in folder.glob("step-*")]
    step = group.first(max(steps, default=-1))
    return None if step < 0 else _state_of(folder, step)


def _state_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:09d}"
