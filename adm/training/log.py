"""The training log: a csv with one row every few steps, and TensorBoard's curves; a resumed run continues both."""

import csv
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TextIO

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from adm.artifacts.writing import new_file
from adm.progress import progress
from adm.training.updates import Report

logger = logging.getLogger(__name__)

PATTERN = "events.out.tfevents.*"
"""TensorBoard finds event files by this name."""


class EventFile:
    """Scalars by step for TensorBoard, whose own writer would import TensorFlow; one file in the run's folder.

    Event files of earlier tries are removed. No result depends on the file: if it cannot be written, a warning says so
    and training goes on without it.

    Args:
        folder: The run's folder; TensorBoard shows its name as the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: RecordWriter | None = None
        with self._optional():
            folder.mkdir(parents=True, exist_ok=True)
            for earlier in folder.glob(PATTERN):
                earlier.unlink()
            # A new name that sorts after all earlier ones: a running TensorBoard then switches to this file.
            path = folder / PATTERN.replace("*", f"{time.time_ns()}.{os.getpid()}")
            self._file = RecordWriter(path.open("wb", buffering=0))
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, step: int, wall_time: float, values: Mapping[str, float]) -> None:
        """Write the values of a step; `wall_time` in seconds since 1970."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, wall_time=wall_time, summary=Summary(value=scalars)))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            with self._optional():
                self._file.close()

    def _write(self, event: Event) -> None:
        if self._file:
            with self._optional():
                self._file.write(event.SerializeToString())
                self._file.flush()

    @contextmanager
    def _optional(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._file:
                self._file.close()
                self._file = None
            logger.warning("warning: %s: no more curves for TensorBoard: %s", self._folder, error.strerror or error)


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
        # TensorBoard's relative time starts here: breaks in training do not count.
        self._zero = time.time() - self._earlier
        self._curves = EventFile(curves)
        for row in kept:
            self._draw(row)

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
        self._draw(row)
        logger.info("  ".join(f"{name} {value}" for name, value in row.items()))
        self._pending, self._last = [], now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._curves.close()

    def _draw(self, row: dict[str, str]) -> None:
        # TensorBoard uses these columns as x axes.
        values = {name: float(value) for name, value in row.items() if name not in ("step", "seconds")}
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
