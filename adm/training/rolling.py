"""The rolling state of a segment: saved now and then, outside what the engines know of, so that neither deletes it.

The last one stays when the segment has ended, under the same bytes as its checkpoint: an engine that dies before it has
noted that end deletes the checkpoint, and has it made again.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adm.artifacts.manifest import file_hashes, fingerprint
from adm.artifacts.reading import read_json
from adm.artifacts.writing import link_or_copy, new_folder, remove_folder, write_json
from adm.parallel import ALONE, Group
from adm.params.errors import NotFiniteError, UserError
from adm.training.state import TrainingState

logger = logging.getLogger(__name__)

HASHES = "hashes.json"
"""The file of a state that holds the sha256 of the others."""

LOG = "log.csv"
"""The training log up to a state, in its folder; beside the states, the one that grows while the segment is trained."""

KEPT = 2
"""States that are kept: should the disk have damaged the newest, training goes on from the one before."""


@contextmanager
def rolling_folder(work: Path, made_by: Mapping[str, Any], group: Group = ALONE) -> Iterator[Path]:
    """Yield the folder of a segment's rolling states, locked; when the block ends well, the last of them alone stays.

    It is named after everything that decides the result, so a run with other params never meets it. What segments
    that have ended left with other params goes then.

    Args:
        work: Where rolling states are.
        made_by: What decides the result, from `adm.artifacts.manifest.provenance`.
        group: The processes that train it; the first one holds the lock.

    Raises:
        UserError: Another process holds the lock.
    """
    folder = work / fingerprint(made_by)
    if not group.is_main:
        yield folder
        return
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{lock.lock_file}: another process holds it and trains this segment") from error
    try:
        yield folder
        _end(folder)
    finally:
        lock.release()


@contextmanager
def name_last_good(folder: Path, previous: Path) -> Iterator[None]:
    """Have the error that ends training for numbers that are not finite name the state to go back to.

    Args:
        folder: The rolling states, from `rolling_folder`.
        previous: The checkpoint that the segment began with, for want of any.

    Raises:
        NotFiniteError: That error.
    """
    try:
        yield
    except NotFiniteError as error:
        step = _last_whole(folder)
        last = previous if step < 0 else state_at(folder, step)
        raise NotFiniteError(f"{error}; the last good state is {last}") from error


def save_rolling(state: TrainingState, folder: Path) -> None:
    """Save a state, and the log up to it, beside the earlier ones, of which the oldest go when the new one is whole.

    Raises:
        NotFiniteError: The state is none that training may go on from.
    """
    with new_folder(state_at(folder, state.step)) as new:
        try:
            state.save(new)
        except NotFiniteError as error:
            raise NotFiniteError(f"iteration {state.step}: {error}") from error
        shutil.copyfile(folder / LOG, new / LOG)
        write_json(new / HASHES, file_hashes(new))
    # Later ones are damaged, or training would have gone on from them: they are none of those to keep.
    for old in [path for path in _states(folder) if _step_of(path) <= state.step][:-KEPT]:
        remove_folder(old)


def state_at(folder: Path, step: int) -> Path:
    """Where the state of a step is saved."""
    return folder / f"step-{step:09d}"


def link_state(state: Path, folder: Path) -> None:
    """Have an existing folder hold the files of a rolling state that a checkpoint holds."""
    for path in state.iterdir():
        if path.name not in (HASHES, LOG):
            link_or_copy(path, folder / path.name)


def newest(folder: Path, group: Group = ALONE) -> Path | None:
    """The last state that `save_rolling` wrote and that is as it was written, as the first process sees it.

    One that is not is passed over with a warning: from an earlier one, training comes to the same bytes. None where
    there is none.
    """
    step = group.broadcast(_last_whole(folder) if group.is_main else -1)
    return None if step < 0 else state_at(folder, step)


def _last_whole(folder: Path) -> int:
    for state in reversed(_states(folder)):
        if _is_whole(state):
            return _step_of(state)
        logger.warning("warning: %s: is not what was written; training goes on from an earlier state", state)
    return -1


def _end(folder: Path) -> None:
    """Leave the last state alone, and remove what other segments left that have ended; a log tells that one has not.

    Killed meanwhile, what is half removed is no state, and goes the next time.
    """
    (folder / LOG).unlink()
    last = _states(folder)[-1]
    others = [other for other in folder.parent.glob("[!.]*") if other != folder and not (other / LOG).exists()]
    for path in (*folder.iterdir(), *others):
        if path != last and path.is_dir():
            shutil.rmtree(path)


def _step_of(state: Path) -> int:
    return int(state.name.removeprefix("step-"))


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _is_whole(state: Path) -> bool:
    try:
        hashes = read_json(state / HASHES)
        found = file_hashes(state)
    except (UserError, OSError):
        return False
    found.pop(HASHES)
    return found == hashes
