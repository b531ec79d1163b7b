"""The journal of a job: a text file with the command, machine, params, progress and end of the job.

Every verb of the pipeline writes one. A job that runs again appends to its journal. No result depends on it.
"""

import logging
import os
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from signal import SIGINT, SIGTERM, SIGUSR1, Signals

import yaml
from tqdm import tqdm

from adm import progress
from adm.machine import processor_name
from adm.params import UserError
from adm.pipeline import Job

KEPT = "ADM_JOURNAL"
"""Environment variable that tells the child processes of a job the path of its journal."""


@contextmanager
def journal_of(job: Job) -> Iterator[None]:
    """Write the journal of a job while the block runs, to `logs/<job>.txt` in its results folder.

    Of several processes of one job only rank 0 writes. If a launcher process has opened the journal already, rank 0
    appends its lines.

    Raises:
        UserError: The journal cannot be opened.
    """
    token = progress.JOB.set(" ".join(job.command))
    try:
        with _written(job.root / "logs" / f"{job.name}.txt", job) if is_main_process() else nullcontext():
            yield
    finally:
        progress.JOB.reset(token)


@contextmanager
def console() -> Iterator[None]:
    """Print log records on stderr, one line each, above any progress bar, while the block runs."""
    root, ours, handler = logging.getLogger(), logging.getLogger("adm"), _Console()
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO if is_main_process() else logging.ERROR)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        ours.setLevel(level)
        root.removeHandler(handler)


def is_main_process() -> bool:
    """Tell whether this process is rank 0 of its job, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def describe_error(error: UserError | OSError) -> str:
    """Describe a user's mistake or a system error, such as a full disk, in one line."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


@contextmanager
def _written(path: Path, job: Job) -> Iterator[None]:
    """Append log records to a file while the block runs, below a header and above how the block ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file, root, is_launched = _File(path), logging.getLogger(), os.environ.get(KEPT) == str(path)
    root.addHandler(file)
    began, ended = os.times(), "finished"
    if not is_launched:
        os.environ[KEPT] = str(path)
    try:
        if not is_launched:
            # A blank line separates runs; a killed run may have left half a line.
            file.write(f"\n{_header(job)}" if path.stat().st_size else _header(job))
        yield
    except BaseException as error:
        ended = _ended(error)
        if not is_launched:
            file.write(_printed(error))
        raise
    finally:
        if not is_launched:
            del os.environ[KEPT]
            file.write(f"{time.strftime(_File.CLOCK)} {ended} after {_used(began)}\n")
        root.removeHandler(file)
        file.close()


def _header(job: Job) -> str:
    content = {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["adm", *sys.argv[1:]]),
        "folder": str(Path.cwd()),
        "code": job.code,
        "params": job.values,
        "machine": {"host": platform.node(), "processor": processor_name(), "cores": os.cpu_count()},
        "process": os.getpid(),
    }
    written = yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)
    return f"=== {' '.join(job.command)}\n{written}"


def _ended(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C"
    if isinstance(error, SystemExit):
        names = {128 + number: Signals(number).name for number in (SIGINT, SIGTERM, SIGUSR1)}
        return f"stopped by {names[error.code]}" if error.code in names else f"ended with exit code {error.code}"
    return "failed"


def _printed(error: BaseException) -> str:
    if isinstance(error, (UserError, OSError)):
        return f"error: {describe_error(error)}\n"
    return "".join(traceback.format_exception(error)) if isinstance(error, Exception) else ""


def _used(began: os.times_result) -> str:
    """Tell the time since then, and the processor time and the peak memory of this process and its ended children."""
    now, unit = os.times(), 1 if sys.platform == "darwin" else 1024
    processor = sum(now[:4]) - sum(began[:4])
    peak = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)) * unit
    wall = f"{now.elapsed - began.elapsed:.1f} s"
    return f"{wall}, with {processor:.1f} s of processor time and at most {peak / 2**20:.0f} MiB of memory"


class _File(logging.FileHandler):
    """Appends to a file and ignores errors: on a full disk the job fails where it writes its results."""

    CLOCK = "%Y-%m-%d %H:%M:%S"

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", self.CLOCK))

    def write(self, text: str) -> None:
        if self.stream is not None:
            with suppress(OSError):
                self.stream.write(text)
                self.stream.flush()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose the record."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _Console(logging.Handler):
    """Prints records on the current stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, unless a progress bar shows the same."""
        if not (record.name == progress.__name__ and sys.stderr.isatty()):
            with suppress(OSError, ValueError):
                tqdm.write(self.format(record), file=sys.stderr)
