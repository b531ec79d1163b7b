"""The time and memory that a scale took, by job journals: `python -m adm.report.spent RESULTS` prints a table.

Every try of a job counts, also those that failed or were stopped. A job that was killed told nothing.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from adm.report.metrics import read_log

ENDED = re.compile(
    r" after ([\d.]+) s, with ([\d.]+) s of processor time and at most (\d+) MiB of memory$", re.MULTILINE
)
"""The last line of a try; see `adm.journal`."""


def spent(results: Path) -> pd.DataFrame:
    """Sum up what each verb took, the dearest first, and what all did.

    Returns:
        A row a verb, and the row "all": `jobs`, journals with at least one end; seconds of `processor` time, and of the
        `longest` try; `memory` in MiB, at the most.
    """
    logs = results / "logs"
    tries = [
        (path.relative_to(logs).with_suffix("").parts[0], path, float(processor), float(wall), int(memory))
        for path in logs.rglob("*.txt")
        for wall, processor, memory in ENDED.findall(path.read_text(encoding="utf-8"))
    ]
    frame = pd.DataFrame(tries, columns=["verb", "jobs", "processor", "longest", "memory"])
    how = {"jobs": "nunique", "processor": "sum", "longest": "max", "memory": "max"}
    verbs = frame.groupby("verb").agg(how).sort_values("processor", ascending=False)
    return pd.concat([verbs, frame.groupby(lambda _: "all").agg(how)])


def table(totals: pd.DataFrame) -> list[str]:
    """Print what a scale took as the lines of a Markdown table."""
    lines = ["| verb | jobs | processor minutes | longest, s | memory, MiB |", "|---|---:|---:|---:|---:|"]
    for verb, jobs, processor, longest, memory in totals.itertuples():
        lines.append(f"| {verb} | {jobs} | {processor / 60:.1f} | {longest:.0f} | {memory} |")
    return lines


def trained(results: Path) -> pd.DataFrame:
    """Read the rows of all logs of training, each after its segment's key.

    Raises:
        UserError: A log is not what was written.
    """
    logs = {path.stem: read_log(path) for path in sorted((results / "training").glob("*.csv"))}
    return pd.concat(logs, names=["segment"]).reset_index(level=0) if logs else pd.DataFrame({"segment": []})


if __name__ == "__main__":
    if (totals := spent(Path(sys.argv[1]))).empty:
        sys.exit(f"{sys.argv[1]}: holds no journals of jobs")
    print(*table(totals), sep="\n")
