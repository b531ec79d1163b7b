"""How a run of a scale ended, in five lines: `python workflow/verdicts.py RESULTS SECONDS`."""

import csv
import sys
from collections import Counter
from pathlib import Path

MISSES = 0.05
"""Share of 95 % intervals that miss the truth; a verdict can be wrong only then."""


def summary(results: Path, seconds: int) -> list[str]:
    """The time that a run took, how many claims got which verdict, and where to read on."""
    counts = Counter[str]()
    for path in results.glob("claims/*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            counts.update(row["verdict"] for row in csv.DictReader(file))
    told = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
    tested = counts.total() - counts["not tested"]
    chance = f"; of {tested} verdicts up to {MISSES * tested:.1f} are expected to be wrong by chance" if tested else ""
    return [
        f"Time:    {seconds // 60} min {seconds % 60} s",
        f"Claims:  {told or 'none'}{chance}",
        f"Tables:  {results / 'tables'}",
        f"Figures: {results / 'figures'}",
        f"Report:  {results / 'report.html'}",
    ]


if __name__ == "__main__":
    print(*summary(Path(sys.argv[1]), int(sys.argv[2])), sep="\n")
