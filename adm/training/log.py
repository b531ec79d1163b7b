"""The training log: a csv with a row every few steps, which a resumed run goes on writing."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TextIO

from tqdm import tqdm

from adm.artifacts.writing import new_file
from adm.training.loop import Report


class TrainingLog:
    """Averages reports over `every` steps and appends them to a csv.

    Columns: step, seconds of training since the segment began, images a second, then the reports' values.

    Args:
        path: The csv; rows after `start` are dropped, since the run takes those steps again.
        start: The step that training goes on from.
        every: Steps a row.
        batch_size: Images a step.
    """

    def __init__(self, path: Path, start: int, every: int, batch_size: int) -> None:
        kept = [row for row in _read(path) if int(row["step"]) <= start]
        self._earlier = float(kept[-1]["seconds"]) if kept else 0.0
        with new_file(path) as partial:
            _write(partial, kept)
        self._file: TextIO = path.open("a", encoding="utf-8", newline="")
        self._empty = not kept
        self._every, self._batch_size = every, batch_size
        self._pending: list[Report] = []
        self._began = self._last = time.monotonic()

    def add(self, report: Report) -> str | None:
        """Take a report; return the line to show when a row is complete."""
        self._pending.append(report)
        if report.step % self._every:
            return None
        return self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is pending and close the file."""
        if self._pending:
            self._flush()
        self._file.close()

    def _flush(self) -> str:
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
        self._pending, self._last = [], now
        return "  ".join(f"{name} {value}" for name, value in row.items())


def logged(
    reports: Iterator[Report], path: Path, start: int, stop: int, every: int, batch_size: int
) -> Iterator[Report]:
    """Pass on the reports of training from `start` to `stop`, each once it is in the log; see `TrainingLog`."""
    with (
        TrainingLog(path, start, every, batch_size) as log,
        tqdm(total=stop, initial=start, unit="step", disable=None) as bar,
    ):
        for report in reports:
            if line := log.add(report):
                bar.write(line)
            bar.update()
            yield report


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of a log; one that a killed process left unfinished is none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values() and None not in row]


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
