"""How a run of a scale ended, in five lines: `python workflow/verdicts.py RESULTS SECONDS`."""

import csv
import sys
from collections import Counter
from pathlib import Path

MOST_RISK = 0.025
"""The greatest probability that a verdict is wrong: of a 95 % interval that it lies wholly on the wrong side."""


def summary(results: Path, seconds: int) -> list[str]:
    """The time that a run took, how many claims got which verdict, and where to read on."""
    counts, wrong = Counter[str](), 0.0
    for path in results.glob("claims/*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        counts.update(row["verdict"] for row in rows)
        wrong += sum(float(row["risk"]) for row in rows if row.get("risk"))
    told = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
    tested = counts.total() - counts["not tested"]
    chance = f"; expected to be wrong by chance: {wrong:.2g}, at most {MOST_RISK * tested:.1f}" if tested else ""
    return [
        f"Time:    {seconds // 60} min {seconds % 60} s",
        f"Claims:  {told or 'none'}{chance}",
        f"Tables:  {results / 'tables'}",
        f"Figures: {results / 'figures'}",
        f"Report:  {results / 'report.html'}",
    ]


if __name__ == "__main__":
    print(*summary(Path(sys.argv[1]), int(sys.argv[2])), sep="\n")
