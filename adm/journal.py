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
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from adm import progress
from adm.artifacts.manifest import library_versions
from adm.machine import Usage, processor_name
from adm.params import UserError
from adm.pipeline import Job

LIBRARIES = ("numpy", "pillow", "safetensors", "scikit-learn", "scipy", "tensorflow", "torch")
"""Distributions whose version may change a result; a journal lists the installed ones."""

KEPT = "ADM_JOURNAL"
"""Environment variable that tells the child processes of a job the path of its journal."""

SIGTERM_CODE = 143
"""Exit code of a process that SIGTERM stopped."""


@dataclass(frozen=True)
class Journal:
    """The paths of a job's journal.

    Attributes:
        path: The text file.
        curves: The folder for TensorBoard's files, for a job that trains.
    """

    path: Path
    curves: Path


def journal_of(job: Job) -> AbstractContextManager[Journal]:
    """Keep the journal of a job while the block runs; see `journal`."""
    return journal(job.root, job.name, " ".join(job.command), job.code, job.values)


@contextmanager
def journal(results: Path, name: str, title: str, code: str, values: Mapping[str, Any]) -> Iterator[Journal]:
    """Write a journal while the block runs, to `logs/<name>.txt` in a results folder.

    Of several processes of one job only rank 0 writes. If a launcher process has opened the journal already, rank 0
    appends its lines.

    Args:
        results: The results folder.
        name: What the file is called, without its ending; slashes part folders.
        title: What runs.
        code: The digest of the code that it runs.
        values: What it reads of the params file, or is told.

    Raises:
        UserError: The journal cannot be opened.
    """
    logs = results / "logs"
    path = logs / f"{name}.txt"
    found = Journal(path, curves=logs / "tensorboard" / name)
    token = progress.JOB.set(title)
    try:
        with ExitStack() as writing:
            if is_main_process():
                lines = writing.enter_context(_lines(path))
                if os.environ.get(KEPT) != str(path):
                    writing.enter_context(_framed(lines, path, _header(title, code, values)))
            yield found
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
    """Whether this process is rank 0 of its job, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def describe_error(error: UserError | OSError) -> str:
    """One line for a user's mistake or a system error, such as a full disk."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


@contextmanager
def _lines(path: Path) -> Iterator["_File"]:
    """Append log records to a file while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler, root = _File(path), logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        handler.close()


@contextmanager
def _framed(lines: "_File", path: Path, header: str) -> Iterator[None]:
    """Write a header before the block, and how the block ended after it."""
    began, ended = Usage.now(), "finished"
    # A blank line separates runs; a killed run may have left half a line.
    lines.write(f"\n{header}" if path.stat().st_size else header)
    os.environ[KEPT] = str(path)
    try:
        yield
    except BaseException as error:
        ended = _ended(error)
        lines.write(_printed(error))
        raise
    finally:
        del os.environ[KEPT]
        lines.write(_timed(ended, began, Usage.now()))


def _header(title: str, code: str, params: Mapping[str, Any]) -> str:
    content = {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["adm", *sys.argv[1:]]),
        "folder": str(Path.cwd()),
        "code": code,
        "params": dict(params),
        "seeds": _named("seed", params),
        "threads": _named("threads", params),
        "versions": _versions(),
        "machine": {"host": platform.node(), "processor": processor_name(), "cores": os.cpu_count()},
        "process": os.getpid(),
    }
    return f"=== {title}\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=sys.maxsize)}"


def _named(name: str, params: Any, place: str = "") -> dict[str, Any]:
    """All values under a key of that name, at any depth, by dotted path."""
    found: dict[str, Any] = {}
    for key, value in params.items() if isinstance(params, Mapping) else ():
        path = f"{place}{key}"
        found |= {path: value} if key == name else _named(name, value, f"{path}.")
    return found


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found |= library_versions([library])
    return found


def _ended(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C"
    if isinstance(error, SystemExit):
        return "stopped by SIGTERM" if error.code == SIGTERM_CODE else f"ended with exit code {error.code}"
    return "failed"


def _printed(error: BaseException) -> str:
    """The text that the command line prints for an error."""
    if isinstance(error, (UserError, OSError)):
        return f"error: {describe_error(error)}\n"
    return "".join(traceback.format_exception(error)) if isinstance(error, Exception) else ""


def _timed(ended: str, began: Usage, now: Usage) -> str:
    wall, processor = now.wall - began.wall, now.processor - began.processor
    memory = f"at most {now.peak / 2**20:.0f} MiB of memory"
    return f"{_clock()} {ended} after {wall:.1f} s, with {processor:.1f} s of processor time and {memory}\n"


def _clock() -> str:
    return time.strftime(_File.CLOCK)


class _File(logging.FileHandler):
    """Appends to a file and ignores errors: on a full disk the job fails where it writes its results."""

    CLOCK = "%Y-%m-%d %H:%M:%S"

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", self.CLOCK))

    def write(self, text: str) -> None:
        """Append text as it is."""
        if self.stream is not None:
            with suppress(OSError):
                self.stream.write(text)
                self.stream.flush()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose the record."""

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            super().close()


class _Console(logging.Handler):
    """Prints records on the current stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, unless a progress bar shows the same."""
        if not (record.name == progress.__name__ and progress.on_terminal()):
            with suppress(OSError, ValueError):
                tqdm.write(self.format(record), file=sys.stderr)
