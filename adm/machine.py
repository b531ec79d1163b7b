"""The processor of this machine, and the resources that a process has used."""

import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self


def processor_name() -> str:
    """The name of this machine's processor."""
    named = _processor_facts("model name"), platform.processor(), platform.machine()
    return next(filter(None, named), "unknown")


def vector_instructions() -> str:
    """The vector instructions of this machine's processor, such as "avx avx2 avx512f"; empty where it does not tell."""
    flags = _processor_facts("flags") or _processor_facts("Features")
    return " ".join(sorted(flag for flag in flags.split() if flag.startswith(("avx", "amx", "asimd", "sve", "sme"))))


def cpp_compiler() -> str | None:
    """The C++ compiler that CXX names, else g++, on macOS clang++, as it calls itself; None if there is none."""
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
    """What Linux tells of the first processor under a name; elsewhere nothing."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


@dataclass(frozen=True)
class Usage:
    """The time and memory that this process and its finished child processes have used.

    Attributes:
        wall: Seconds by a clock that starts anywhere.
        processor: Seconds of all threads, in and out of the kernel.
        peak: Bytes of memory of the largest process, at its largest.
    """

    wall: float
    processor: float
    peak: int

    @classmethod
    def now(cls) -> Self:
        """The usage up to now."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        unit = 1 if sys.platform == "darwin" else 1024
        return cls(
            wall=time.monotonic(),
            processor=sum(usage.ru_utime + usage.ru_stime for usage in used),
            peak=max(usage.ru_maxrss for usage in used) * unit,
        )
