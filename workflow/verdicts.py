"""How a run of a scale ended, in a few lines, and how it compares with what is published of the scale.

`python workflow/verdicts.py RESULTS SECONDS`
"""

import sys
from collections import Counter
from pathlib import Path

from adm.metrics.intervals import TAIL
from adm.report.verdicts import read_verdicts
from adm.tools.publish import NOTE, published
from adm.tools.reproduced import compared


def summary(results: Path, seconds: int) -> list[str]:
    """Tell how long a run took, how many claims got which verdict, where to read on, and what differs from before."""
    found = [verdict for path in results.glob("claims/*.csv") for verdict in read_verdicts(path)]
    counts, wrong = Counter(verdict.verdict for verdict in found), sum(verdict.risk or 0.0 for verdict in found)
    told = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
    tested = counts.total() - counts["not tested"]
    chance = f"; expected to be wrong by chance: {wrong:.2g}, at most {TAIL * tested:.1f}" if tested else ""
    return [
        f"Time:      {seconds // 60} min {seconds % 60} s",
        f"Claims:    {told or 'none'}{chance}",
        f"Tables:    {results / 'tables'}",
        f"Figures:   {results / 'figures'}",
        f"Report:    {results / 'report.html'}",
        *(f"{'' if number else 'Published:':10} {line}" for number, line in enumerate(_against_published(results))),
    ]


def _against_published(results: Path) -> list[str]:
    out = published(results)
    nothing = f"nothing to compare with in {out}" + (f"; see its {NOTE}" if (out / NOTE).is_file() else "")
    return compared(results) or [nothing]


if __name__ == "__main__":
    print(*summary(Path(sys.argv[1]), int(sys.argv[2])), sep="\n")
