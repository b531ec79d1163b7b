"""The training log: a csv with a row every few steps, which a resumed run goes on writing."""

import csv
import time
from pathlib import Path
from typing import TextIO

from adm.training.loop import Report


class TrainingLog:
    """Averages reports over `every` steps and appends them to a csv; prints each row.

    Columns: step, seconds of training since the segment began, images a second, then the reports' values.

    Args:
        path: The csv; rows after `start` are dropped, since the run takes those steps again.
        start: The step that training goes on from.
        every: Steps a row.
        batch_size: Images a step.
    """

    def __init__(self, path: Path, start: int, every: int, batch_size: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = [row for row in _read(path) if int(row["step"]) <= start]
        self._earlier = float(self._rows[-1]["seconds"]) if self._rows else 0.0
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        self._writer: csv.DictWriter[str] | None = None
        self._every, self._batch_size = every, batch_size
        self._pending: list[Report] = []
        self._began = self._last = time.monotonic()
        for row in self._rows:
            self._write(row)

    def add(self, report: Report) -> str | None:
        """Take a report; return the line to show when a row is complete."""
        self._pending.append(report)
        if report.step % self._every:
            return None
        now = time.monotonic()
        means = {name: sum(r.values[name] for r in self._pending) / len(self._pending) for name in report.values}
        rate = len(self._pending) * self._batch_size / max(now - self._last, 1e-9)
        row = {
            "step": str(report.step),
            "seconds": f"{self._earlier + now - self._began:.3f}",
            "images_per_second": f"{rate:.1f}",
            **{name: f"{value:.6g}" for name, value in means.items()},
        }
        self._write(row)
        self._file.flush()
        self._pending, self._last = [], now
        return "  ".join(f"{name} {value}" for name, value in row.items())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, row: dict[str, str]) -> None:
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row), lineterminator="\n")
            self._writer.writeheader()
        self._writer.writerow(row)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
