"""A lock that both engines respect, and `make unlock` and `make clean`, which remove what killed processes left.

DVC records in `.dvc/tmp/rwlock` which process writes which path, and refuses paths that overlap. Snakemake's own lock
only covers Snakemake. The Snakefile therefore enters the results folder into DVC's record while jobs run; each engine
can then name the process that is in the way. Entries name processes, so an entry of a killed process blocks nothing.
"""

import atexit
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
from dvc.fs import localfs
from dvc.lock import LockError, make_lock
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError, rwlock

from adm.errors import UserError, some

DVC = Path(".dvc")
RECORD = DVC / "tmp" / "rwlock"

WRITER = re.compile(r"\S*(?:python|torchrun)\S* (?:(?:-\S+ )*(?:\S*/)?|.*-m (?:-- )?)(?:snakemake|dvc|adm)(?: |$)")
"""Command lines of engines and stages, such as `python .venv/bin/dvc`, `python -u -m adm` and `torchrun -m -- adm`, and
none of an editor with a file of such a name."""

LEFT = ("results/*/work",)
"""Remains of interrupted training and sampling."""


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
        who = some(at_work(), 1) or " ".join(str(error).partition("\n\n")[0].split())
        raise UserError(f"{results}: is locked by {who}; wait for it, or `make unlock` if it was killed") from None
    except (RWLockFileCorruptedError, RWLockFileFormatError):
        # DVC writes the file in place, so a kill or a full disk can leave a part of it.
        raise UserError(f"{RECORD}: is not what DVC wrote of who runs here; `make unlock` removes it") from None
    atexit.register(held.close)


def at_work() -> list[str]:
    """Tell of engines and stages that run in this folder or below it, oldest first, but for this process's parents."""
    ours = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    running = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline", "create_time"]):
        line, cwd = " ".join(process.info["cmdline"] or []), process.info["cwd"]
        # DVC may run in the folder of any dvc.yaml.
        is_here = cwd is not None and Path(cwd).is_relative_to(Path.cwd()) and process.info["pid"] not in ours
        if is_here and WRITER.match(line):
            running.append((process.info["create_time"], f"{line[:100]} (PID {process.info['pid']})"))
    return [described for _, described in sorted(running)]


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
    if running := at_work():
        sys.exit(f"{verb}: {some(running, 1)} still runs here; wait for it, or stop it first")
    try:
        {"unlock": unlock, "clean": clean}[verb]()
    except UserError as error:
        sys.exit(f"{verb}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
