"""Rolling states: a segment's training state, saved now and then where neither engine would delete it.

The last state stays after the segment has ended; it shares its files with the checkpoint. If an engine dies before it
has recorded the end, it deletes the checkpoint, and the job makes it again from this state.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adm.artifacts.manifest import file_hashes, fingerprint, sha256
from adm.artifacts.reading import read_json
from adm.artifacts.writing import link_or_copy, new_folder, remove_folder, write_json
from adm.errors import NotFiniteError, UserError
from adm.parallel import ALONE, Group
from adm.training.state import TrainingState

logger = logging.getLogger(__name__)

HASHES = "hashes.json"
"""The file in a state's folder with the sha256 of the other files."""

LOG = "log.csv"
"""The training log: in a state's folder, the rows up to that state; beside the states, the log that still grows."""

KEPT = 2
"""Number of states to keep: if the newest is damaged, training resumes from the one before."""


@contextmanager
def rolling_folder(work: Path, made_by: Mapping[str, Any], group: Group = ALONE) -> Iterator[Path]:
    """Yield the locked folder of a segment's rolling states; if the block ends without error, only the last stays.

    The folder is named by a fingerprint of everything that decides the result, so a run with other params never finds
    it. At the end, folders that finished segments left with other params are removed. All lie in `work`. Of several
    processes the first one holds the lock.

    Raises:
        UserError: Another process holds the lock.
    """
    folder = work / fingerprint(made_by)
    if not group.is_main:
        yield folder
        return
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / f"{folder.name}.lock", timeout=0):
            yield folder
            _end(folder)
    except Timeout as error:
        raise UserError(f"{error.lock_file}: another process holds it and trains this segment") from error


@contextmanager
def name_last_good(folder: Path, previous: Path) -> Iterator[None]:
    """Add to a NotFiniteError from training the name of the last good state.

    It is one of the folder's rolling states or, if there is none, the checkpoint that the segment started from.

    Raises:
        NotFiniteError: The error from training, with the state's name.
    """
    try:
        yield
    except NotFiniteError as error:
        step = _last_whole(folder)
        last = previous if step < 0 else state_at(folder, step)
        raise NotFiniteError(f"{error}; the last good state is {last}") from error


def save_rolling(state: TrainingState, folder: Path) -> None:
    """Save a state, and the log up to it, beside the earlier states; then remove all but the newest `KEPT`.

    Raises:
        NotFiniteError: The state holds NaN or infinity, so training must not resume from it.
    """
    with new_folder(state_at(folder, state.step)) as new:
        try:
            state.save(new)
        except NotFiniteError as error:
            raise NotFiniteError(f"iteration {state.step}: {error}") from error
        shutil.copyfile(folder / LOG, new / LOG)
        write_json(new / HASHES, {path.name: sha256(path) for path in sorted(new.iterdir())})
    # States of later steps are damaged, else training would have resumed from them; they do not count as kept.
    for old in [path for path in _states(folder) if _step_of(path) <= state.step][:-KEPT]:
        remove_folder(old)


def state_at(folder: Path, step: int) -> Path:
    """Name the folder of a step's state."""
    return folder / f"step-{step:09d}"


def link_state(state: Path, folder: Path) -> None:
    """Link those files of a rolling state that a checkpoint holds into an existing folder."""
    for path in state.iterdir():
        if path.name not in (HASHES, LOG):
            link_or_copy(path, folder / path.name)


def newest(folder: Path, group: Group = ALONE) -> Path | None:
    """Find the newest undamaged state that `save_rolling` wrote, or None; the first process looks for all.

    A damaged state is skipped with a warning: training from an earlier one gives the same bytes.
    """
    step = group.broadcast(_last_whole(folder) if group.is_main else -1)
    return None if step < 0 else state_at(folder, step)


def _last_whole(folder: Path) -> int:
    for state in reversed(_states(folder)):
        with suppress(UserError, OSError):
            hashes, actual = read_json(state / HASHES), file_hashes(state)
            del actual[HASHES]
            if actual == hashes:
                return _step_of(state)
        logger.warning("warning: %s: is not what was written; training goes on from an earlier state", state)
    return -1


def _end(folder: Path) -> None:
    """Keep only the last state, and remove what other finished segments left; a folder with a log is not finished.

    If the process is killed meanwhile, a half-removed state counts as no state, and the next call removes it.
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
