"""A lock that both engines respect, and `make unlock` and `make clean`, which remove what killed processes left.

DVC records in `.dvc/tmp/rwlock` which process writes which path, and refuses paths that overlap. Snakemake's own lock
only covers Snakemake. The Snakefile therefore enters the results folder into DVC's record while jobs run; each engine
can then name the process that is in the way. Entries name processes, so an entry of a killed process blocks nothing.
"""

import atexit
import shutil
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import psutil
from dvc.fs import localfs
from dvc.lock import LockError, make_lock
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError, rwlock

from adm.params import UserError

DVC = Path(".dvc")
RECORD = DVC / "tmp" / "rwlock"

PROGRAMS = frozenset({"snakemake", "dvc", "adm"})
"""Programs that write results."""

LAUNCHERS = ("python", "torchrun")
"""Programs that start them; a version may follow the name."""

LEFT = ("results/*/work", "results/*/shards")
"""Remains of interrupted training, and of runs without all of their shards."""


def hold(results: str) -> None:
    """Enter this process into DVC's record as the writer of a results folder, until the process ends.

    Raises:
        UserError: Another process reads or writes there, DVC is working between two stages, or its record cannot be
            read.
    """
    if not DVC.is_dir():
        return
    scratch = DVC.absolute() / "tmp"
    scratch.mkdir(exist_ok=True)
    command, path = " ".join(sys.argv), str(Path(results).absolute())
    held = ExitStack()
    try:
        # While DVC runs a stage, the stage is in its record; between stages DVC holds this lock.
        with make_lock(str(scratch / "lock"), tmp_dir=str(scratch)):
            held.enter_context(rwlock(str(scratch), localfs, command, [], [path], hardlink=False))
    except LockError as error:
        # A process on another machine is not visible here; the first lines of DVC's message name it.
        who = _some(at_work(Path())) or " ".join(str(error).partition("\n\n")[0].split())
        raise UserError(f"{results}: is locked by {who}; wait for it, or `make unlock` if it was killed") from None
    except (RWLockFileCorruptedError, RWLockFileFormatError):
        # DVC writes the file in place, so a kill or a full disk can leave a part of it.
        raise UserError(f"{RECORD}: is not what DVC wrote of who runs here; `make unlock` removes it") from None
    atexit.register(held.close)


def at_work(folder: Path) -> list[str]:
    """The engines and stages that run in a folder or below it, oldest first, without this process and its parents."""
    ours = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    here, running = folder.resolve(), []
    for process in psutil.process_iter(["pid", "cwd", "cmdline", "create_time"]):
        words, cwd = process.info["cmdline"] or [], process.info["cwd"]
        # DVC may run in the folder of any dvc.yaml.
        is_here = cwd is not None and Path(cwd).is_relative_to(here) and process.info["pid"] not in ours
        if is_here and _writes(words):
            running.append((process.info["create_time"], f"{' '.join(words)[:100]} (PID {process.info['pid']})"))
    return [described for _, described in sorted(running)]


def _writes(words: list[str]) -> bool:
    """Whether a command line starts an engine or a stage.

    Examples are `python .venv/bin/dvc`, `python -u -m adm` and `torchrun --nproc-per-node 8 -m -- adm`. An editor with
    a file of such a name is none.
    """
    named = [Path(word).name for word in words if word != "--"]
    programs = set(named[:1])
    if named and named[0].startswith(LAUNCHERS):
        # The script or the module, before or after the launcher's own options.
        programs.update([name for name in named[1:] if not name.startswith("-")][:1])
        programs.update(after for before, after in pairwise(named) if before == "-m")
    return not PROGRAMS.isdisjoint(programs)


def _some(running: list[str]) -> str:
    more = f" and {len(running) - 1} more" if len(running) > 1 else ""
    return running[0] + more if running else ""


def unlock() -> None:
    """Remove the locks that killed engines left."""
    # DVC's record of dead processes; DVC's other lock ends with its process.
    RECORD.unlink(missing_ok=True)
    subprocess.run(["snakemake", "--unlock", "--quiet", "all"], check=True)


def clean() -> None:
    """Remove the intermediate states of interrupted jobs, while no job can start and resume from them."""
    hold("results")
    for pattern in LEFT:
        for folder in Path().glob(pattern):
            shutil.rmtree(folder)


def main(verb: str) -> None:
    """Unlock or clean this folder; refuse while an engine or a stage runs here."""
    if running := at_work(Path()):
        sys.exit(f"{verb}: {_some(running)} still runs here; wait for it, or stop it first")
    try:
        {"unlock": unlock, "clean": clean}[verb]()
    except UserError as error:
        sys.exit(f"{verb}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
