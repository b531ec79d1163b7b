"""The processor of this machine, and the resources that a process has used."""

import platform
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self


def processor_name() -> str:
    """The name of this machine's processor."""
    information = Path("/proc/cpuinfo")  # on Linux, where Python alone knows only the architecture
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, [*names, platform.processor(), platform.machine()]), "unknown")


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
