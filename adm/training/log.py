"""The training log: a csv with one row every few steps, and TensorBoard's curves; a resumed run continues both."""

import csv
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TextIO

from adm.artifacts.writing import new_file
from adm.progress import progress
from adm.training.events import EventFile
from adm.training.report import Report

logger = logging.getLogger(__name__)

NO_CURVES = ("step", "seconds")
"""Columns that TensorBoard uses as x axes; they get no curves."""


class TrainingLog:
    """Averages reports over `every` steps, for a row of the csv, a point of the curves and a line of the journal.

    Columns: step, seconds of training since the segment began, images per second, then the reports' values. The
    curves show exactly the csv's rows, so a step that was run twice appears once.

    Args:
        path: The csv to write.
        earlier: A csv with the rows up to the step at which training resumes; None at the segment's begin.
        every: Number of steps for each row.
        batch_size: Number of images in each step.
        curves: The folder for TensorBoard's file; the file is written anew.
    """

    def __init__(self, path: Path, earlier: Path | None, every: int, batch_size: int, curves: Path) -> None:
        kept = _read(earlier) if earlier else []
        self._earlier = float(kept[-1]["seconds"]) if kept else 0.0
        with new_file(path) as partial:
            _write(partial, kept)
        self._file: TextIO = path.open("a", encoding="utf-8", newline="")
        self._empty = not kept
        self._every, self._batch_size = every, batch_size
        self._pending: list[Report] = []
        self._began = self._last = time.monotonic()
        # TensorBoard's relative time starts here: breaks in training do not count.
        self._zero = time.time() - self._earlier
        self._curves = EventFile(curves)
        for row in kept:
            self._draw(row)

    def add(self, report: Report, last: bool = False) -> None:
        """Add a report; write a row if it completes one or is the last."""
        self._pending.append(report)
        if last or report.step % self._every == 0:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._file.close()
        self._curves.close()

    def _flush(self) -> None:
        now, report = time.monotonic(), self._pending[-1]
        means = {name: sum(r.values[name] for r in self._pending) / len(self._pending) for name in report.values}
        rate = len(self._pending) * self._batch_size / max(now - self._last, 1e-9)
        row = {
            "step": str(report.step),
            "seconds": f"{self._earlier + now - self._began:.3f}",
            "images_per_second": f"{rate:.1f}",
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
        self._draw(row)
        logger.info("  ".join(f"{name} {value}" for name, value in row.items()))
        self._pending, self._last = [], now

    def _draw(self, row: dict[str, str]) -> None:
        values = {name: float(value) for name, value in row.items() if name not in NO_CURVES}
        self._curves.add(int(row["step"]), self._zero + float(row["seconds"]), values)


def log_reports(
    reports: Iterable[Report],
    path: Path,
    start: int,
    stop: int,
    every: int,
    batch_size: int,
    curves: Path,
    earlier: Path | None = None,
) -> Iterator[Report]:
    """Log the reports of training from `start` to `stop`, and yield each one after that; see `TrainingLog`."""
    with TrainingLog(path, earlier, every, batch_size, curves) as log, progress(total=stop, initial=start) as bar:
        for report in reports:
            log.add(report, last=report.step == stop)
            bar.update()
            yield report


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
