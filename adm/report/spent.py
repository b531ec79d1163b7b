"""The time and memory that a scale took, by job journals: `python -m adm.report.spent RESULTS` prints a table.

Every try of a job counts, also those that failed or were stopped. A job that was killed told nothing.
"""

import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adm.report.page.training import read_log

ENDED = re.compile(
    r" after ([\d.]+) s, with ([\d.]+) s of processor time and at most (\d+) MiB of memory$", re.MULTILINE
)
"""The last line of a try; see `adm.journal`."""


@dataclass
class Spent:
    """What the jobs of a verb took.

    Attributes:
        jobs: Journals with at least one end.
        processor: Seconds of processors.
        longest: Seconds of the longest try.
        memory: MiB of memory at the most.
    """

    jobs: int = 0
    processor: float = 0
    longest: float = 0
    memory: int = 0


def spent(results: Path) -> dict[str, Spent]:
    """What each verb took, the dearest first."""
    found: defaultdict[str, Spent] = defaultdict(Spent)
    logs = results / "logs"
    for path in logs.rglob("*.txt"):
        tries = ENDED.findall(path.read_text(encoding="utf-8"))
        verb = found[path.relative_to(logs).with_suffix("").parts[0]]
        verb.jobs += bool(tries)
        for wall, processor, memory in tries:
            verb.processor += float(processor)
            verb.longest = max(verb.longest, float(wall))
            verb.memory = max(verb.memory, int(memory))
    return dict(sorted(found.items(), key=lambda item: -item[1].processor))


def table(found: dict[str, Spent]) -> list[str]:
    """The lines of a table, a row a verb, their sum last."""
    lines = ["| verb | jobs | processor minutes | longest, s | memory, MiB |", "|---|---:|---:|---:|---:|"]
    rows = found.values()
    total = Spent(
        sum(row.jobs for row in rows),
        sum(row.processor for row in rows),
        max((row.longest for row in rows), default=0),
        max((row.memory for row in rows), default=0),
    )
    for verb, row in {**found, "all": total}.items():
        lines.append(f"| {verb} | {row.jobs} | {row.processor / 60:.1f} | {row.longest:.0f} | {row.memory} |")
    return lines


def trained(results: Path) -> pd.DataFrame:
    """The rows of all logs of training, each after its segment's key.

    Raises:
        UserError: A log is not what was written.
    """
    logs = {path.stem: read_log(path) for path in sorted((results / "training").glob("*.csv"))}
    return pd.concat(logs, names=["segment"]).reset_index(level=0) if logs else pd.DataFrame({"segment": []})


if __name__ == "__main__":
    if not (found := spent(Path(sys.argv[1]))):
        sys.exit(f"{sys.argv[1]}: holds no journals of jobs")
    print(*table(found), sep="\n")
