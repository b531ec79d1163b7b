"""How claims came out, a line a table of them: `python workflow/verdicts.py CSV...`."""

import csv
import sys
from collections import Counter
from pathlib import Path


def line(path: Path) -> str:
    """How many claims of a table hold, and how many do not, with where it stands in words."""
    with path.open(encoding="utf-8", newline="") as file:
        counts = Counter(row["verdict"] for row in csv.DictReader(file))
    found = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
    return f"{found} ({path.with_suffix('.md')})"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"Claims:  {line(Path(name))}")
