"""The training log: a csv with one row every few steps, which a resumed run continues."""

import csv
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TextIO

from adm.artifacts.writing import new_file
from adm.progress import progress
from adm.training.updates import Report

logger = logging.getLogger(__name__)


class TrainingLog:
    """Averages reports over `every` steps, for a row of the csv and a line of the journal.

    Columns: step, seconds of training since the segment began, images per second, then the reports' values.

    Args:
        path: The csv to write.
        earlier: A csv with the rows up to the step at which training resumes; None at the segment's begin.
        every: Number of steps for each row.
        batch_size: Number of images in each step.
    """

    def __init__(self, path: Path, earlier: Path | None, every: int, batch_size: int) -> None:
        text = earlier.read_text(encoding="utf-8") if earlier else ""
        kept = list(csv.DictReader(text.splitlines()))
        self._earlier = float(kept[-1]["seconds"]) if kept else 0.0
        with new_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
        self._file: TextIO = path.open("a", encoding="utf-8", newline="")
        self._empty = not kept
        self._every, self._batch_size = every, batch_size
        self._pending: list[Report] = []
        self._began = self._last = time.monotonic()

    def add(self, report: Report, last: bool = False) -> None:
        """Add a report; write a row if it completes one or is the last."""
        self._pending.append(report)
        if not last and report.step % self._every:
            return
        now, seen = time.monotonic(), self._pending
        means = {name: sum(r.values[name] for r in seen) / len(seen) for name in report.values}
        row = {
            "step": str(report.step),
            "seconds": f"{self._earlier + now - self._began:.3f}",
            "images_per_second": f"{len(seen) * self._batch_size / max(now - self._last, 1e-9):.1f}",
            **{name: f"{value:.6g}" for name, value in means.items()},
        }
        writer = csv.DictWriter(self._file, list(row), lineterminator="\n")
        if self._empty:
            writer.writeheader()
            self._empty = False
        writer.writerow(row)
        self._file.flush()
        # On disk before any later state: after a crash, no state may exist without the rows before it.
        os.fsync(self._file.fileno())
        logger.info("  ".join(f"{name} {value}" for name, value in row.items()))
        self._pending, self._last = [], now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def log_reports(
    reports: Iterable[Report],
    path: Path,
    start: int,
    stop: int,
    every: int,
    batch_size: int,
    earlier: Path | None = None,
) -> Iterator[Report]:
    """Log the reports of training from `start` to `stop`, and yield each one after that; see `TrainingLog`."""
    with TrainingLog(path, earlier, every, batch_size) as log, progress(total=stop, initial=start) as bar:
        for report in reports:
            log.add(report, last=report.step == stop)
            bar.update()
            yield report
