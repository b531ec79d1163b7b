"""The training log: a csv with one row every few steps, which a resumed run continues."""

import csv
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from adm.artifacts.writing import new_file
from adm.progress import progress
from adm.training.updates import Report

logger = logging.getLogger(__name__)


def log_reports(
    reports: Iterable[Report],
    path: Path,
    start: int,
    stop: int,
    every: int,
    batch_size: int,
    earlier: Path | None = None,
) -> Iterator[Report]:
    """Average the reports of training from `start` to `stop` for a csv and the journal, and yield each one after that.

    Columns: step, seconds of training since the segment began, images per second, then the reports' values. Every
    `every` steps and at the last there is a row. Where training resumes at `start`, `earlier` is a csv with the rows
    up to that step.
    """
    text = earlier.read_text(encoding="utf-8") if earlier else ""
    kept = list(csv.DictReader(text.splitlines()))
    before = float(kept[-1]["seconds"]) if kept else 0.0
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    seen: list[Report] = []
    began = last = time.monotonic()
    with path.open("a", encoding="utf-8", newline="") as file, progress(total=stop, initial=start) as bar:
        for report in reports:
            seen.append(report)
            if report.step == stop or report.step % every == 0:
                now = time.monotonic()
                row = {
                    "step": str(report.step),
                    "seconds": f"{before + now - began:.3f}",
                    "images_per_second": f"{len(seen) * batch_size / max(now - last, 1e-9):.1f}",
                    **{name: f"{sum(one.values[name] for one in seen) / len(seen):.6g}" for name in report.values},
                }
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if not file.tell():
                    writer.writeheader()
                writer.writerow(row)
                file.flush()
                # On disk before any later state: after a crash, no state may exist without the rows before it.
                os.fsync(file.fileno())
                logger.info("  ".join(f"{name} {value}" for name, value in row.items()))
                seen, last = [], now
            bar.update()
            yield report
