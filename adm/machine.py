"""This machine: its processor, its GPUs, and its compiler."""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from adm.errors import UserError

_taken: list[tuple[int, Any]] = []
"""The GPU of this process and its lock. The system releases the lock when the process ends in any way."""


def processor_name() -> str:
    """Name this machine's processor."""
    return _processor_facts("model name") or platform.processor() or platform.machine() or "unknown"


def vector_instructions() -> str:
    """List the vector instructions of this processor, such as "avx avx2 avx512f"; none where it does not tell."""
    flags = _processor_facts("flags") or _processor_facts("Features")
    return " ".join(sorted(flag for flag in flags.split() if flag.startswith(("avx", "amx", "asimd", "sve", "sme"))))


def cpp_compiler() -> str | None:
    """Name the C++ compiler that CXX names, else g++, on macOS clang++, as it calls itself; None if there is none."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    try:
        asked = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return asked.stdout.partition("\n")[0]


def available_cores() -> int:
    """Count the cores that this process may use; where the system does not tell, all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor_facts(name: str) -> str:
    """Read what Linux tells of the first processor under a name; elsewhere nothing."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def take_gpu(names: Sequence[str], first: int = 0) -> int:
    """Take the first GPU that no other process of this user holds, for the life of this process.

    Args:
        names: Names of the visible GPUs that are the same in every process, such as uuids.
        first: The number of the GPU to try first, so that the processes of a job try different ones.

    Returns:
        The number of the GPU; repeated calls return the same.

    Raises:
        UserError: Other processes hold all of them.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415

    for number in () if _taken else [*range(first, len(names)), *range(first)]:
        # The name holds the user id: other users cannot open the file.
        lock = FileLock(Path(tempfile.gettempdir(), f"adm-{os.getuid()}-{names[number]}.lock"))
        with suppress(Timeout):
            lock.acquire(timeout=0)
            _taken.append((number, lock))
            break
    if not _taken:
        count = len(names)
        raise UserError(f"device 'cuda': other jobs hold all {count} GPUs here; give snakemake --resources gpu={count}")
    return _taken[0][0]
