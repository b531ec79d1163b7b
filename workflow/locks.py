"""Who runs in this folder: a lock that both engines respect, and `make unlock` for what a kill leaves behind.

DVC records which process writes which path in `.dvc/tmp/rwlock`, and refuses what overlaps. Snakemake's lock is of its
own files alone, so the Snakefile enters the results folder into DVC's record for as long as jobs run: each engine then
tells which process of the other, or of its own kind, is in the way. Entries name processes, so that one whose process
was killed holds nothing up.
"""

import atexit
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
from dvc.fs import localfs
from dvc.lock import LockError, make_lock
from dvc.rwlock import rwlock

from adm.params import UserError

DVC = Path(".dvc")

PROGRAMS = frozenset({"snakemake", "dvc", "adm"})
"""What writes results."""


def hold(results: str) -> None:
    """Enter this process as the one that writes a results folder, until it ends.

    Raises:
        UserError: Another process is entered as reading or writing there, or DVC is at work between two stages.
    """
    if not DVC.is_dir():
        return
    scratch = DVC.absolute() / "tmp"
    scratch.mkdir(exist_ok=True)
    command, path = " ".join(sys.argv), str(Path(results).absolute())
    held = ExitStack()
    try:
        # A stage that DVC runs is in its record; between stages DVC holds this lock.
        with make_lock(str(scratch / "lock"), tmp_dir=str(scratch)):
            held.enter_context(rwlock(str(scratch), localfs, command, [], [path], hardlink=False))
    except LockError as error:
        # On another machine it cannot be seen; DVC's first lines name what its record names.
        who = _some(at_work(Path())) or " ".join(str(error).partition("\n\n")[0].split())
        raise UserError(f"{results}: is locked by {who}; wait for it, or `make unlock` if it was killed") from None
    atexit.register(held.close)


def at_work(folder: Path) -> list[str]:
    """The engines and stages that run in a folder, the oldest first, less this process and its parents."""
    ours = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    running = []
    for process in psutil.process_iter(["pid", "cwd", "cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        is_here = process.info["cwd"] == str(folder.resolve()) and process.info["pid"] not in ours
        # As `python -m adm` and `python .venv/bin/dvc` are called.
        if is_here and any(Path(word).name in PROGRAMS for word in words[:3]):
            running.append((process.info["create_time"], f"{' '.join(words)[:100]} (PID {process.info['pid']})"))
    return [described for _, described in sorted(running)]


def _some(running: list[str]) -> str:
    more = f" and {len(running) - 1} more" if len(running) > 1 else ""
    return running[0] + more if running else ""


def main() -> None:
    """Take away the locks that killed engines left in this folder; refuse while an engine or a stage runs here."""
    if running := at_work(Path()):
        sys.exit(f"unlock: {_some(running)} still runs here; wait for it, or stop it first")
    # DVC's record of processes that are gone; its other lock ends with the process that holds it.
    (DVC / "tmp" / "rwlock").unlink(missing_ok=True)
    subprocess.run(["snakemake", "--unlock", "--quiet", "all"], check=True)


if __name__ == "__main__":
    main()
