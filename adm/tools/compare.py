"""`compare`: whether two results folders have the same content, artifact by artifact."""

import math
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from tabulate import tabulate

from adm.artifacts.closeness import Tolerance
from adm.artifacts.inventory import Artifact, check_out, find_artifacts
from adm.artifacts.writing import new_file, write_json
from adm.evaluation.comparison import MEANING, SOUND, Compared, Kind, compare_artifacts, judge_by_twin
from adm.progress import progress


def run(a: Path, b: Path, tolerance: Tolerance, out: Path | None) -> bool:
    """Compare artifacts with the same path; print a line for each pair that is not equal, and counts by kind.

    Returns:
        Whether the folders agree within the tolerance, except for values that are measured in seconds.

    Raises:
        UserError: A or B is no results folder, or OUT lies in one or is a folder.
    """
    check_out(out, a, b)
    compared = _compare(find_artifacts(a), find_artifacts(b), tolerance)
    for path, found in compared.items():
        if found.kind != Kind.EQUAL:
            print(f"{found.kind:<10}  {': '.join(filter(None, (path, found.words)))}{_made(found)}")
    counts = Counter(found.kind for found in compared.values())
    rows = [[str(kind), counts[kind], MEANING[kind]] for kind in Kind]
    print(tabulate(rows, ["", "artifacts", f"A is {a}, B is {b}"], tablefmt="github"))
    if out is not None:
        with new_file(out) as partial:
            write_json(partial, _report(compared, counts, tolerance))
    return set(counts) <= SOUND


def _compare(a: Mapping[str, Artifact], b: Mapping[str, Artifact], tolerance: Tolerance) -> dict[str, Compared]:
    both = sorted(a.keys() & b.keys())
    found = {path: Compared(Kind.ONLY_A) for path in a} | {path: Compared(Kind.ONLY_B) for path in b}
    with (
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        progress(total=len(both), unit="artifact") as bar,
    ):
        pairs = pool.map(lambda path: compare_artifacts(a[path], b[path], tolerance), both)
        for path, compared in zip(both, pairs, strict=True):
            found[path] = compared
            bar.update()
    judged = {path: judge_by_twin(PurePosixPath(path), compared, found) for path, compared in found.items()}
    return dict(sorted(judged.items()))


def _made(found: Compared) -> str:
    return f" (made otherwise: {found.made})" if found.made and found.kind != Kind.REMADE else ""


def _report(compared: Mapping[str, Compared], counts: Counter[Kind], tolerance: Tolerance) -> dict[str, object]:
    return {
        "tolerance": {"rtol": tolerance.rtol, "atol": tolerance.atol},
        "counts": {str(kind): counts[kind] for kind in Kind},
        "artifacts": {
            path: {
                "kind": str(found.kind),
                "words": found.words,
                # JSON has no infinity; here it marks differences that are not numbers.
                "apart": found.apart if math.isfinite(found.apart) else None,
                "made": found.made,
            }
            for path, found in compared.items()
        },
    }
