"""How claims came out, a line a group of them: `python workflow/verdicts.py CSV...`."""

import csv
import sys
from collections import Counter
from pathlib import Path

MISSES = 0.05
"""Share of 95 % intervals that miss the truth; a verdict can be wrong only then."""


def summary(path: Path) -> str:
    """How many claims of a table got which verdict, how many may be wrong by chance, and where it can be read."""
    with path.open(encoding="utf-8", newline="") as file:
        counts = Counter(row["verdict"] for row in csv.DictReader(file))
    told = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
    tested = sum(counts.values()) - counts["not tested"]
    told += f"; by chance up to {MISSES * tested:.1f} of {tested} verdicts are expected to be wrong"
    return f"Claims:  {path.with_suffix('.md')} ({told})"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(summary(Path(name)))
