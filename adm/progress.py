"""Progress of long work: a bar on a terminal, and from time to time a line in the log with rate and time left."""

import io
import logging
import sys
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import Any, TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

JOB: ContextVar[str] = ContextVar("job", default="")
"""The name of the job, such as "train adm-128-250"; bars and lines begin with it."""

Chunk = TypeVar("Chunk", bound=Sized)

DELAY = 1.0
"""Seconds before a bar appears, so that short work shows none."""


def rows_of(chunks: Iterable[Chunk], total: int, *, name: str = "") -> Iterator[Chunk]:
    """Yield the chunks of `total` images, or their features, and show how many are done."""
    with progress(total=total, unit="image", name=name) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


class progress(tqdm):  # type: ignore[type-arg]  # noqa: N801 -- a verb, as tqdm's own
    """Show the progress of work: iterate over it, or call its `update` and `close`, as with `tqdm`.

    The bar is drawn only on a terminal; lines are logged at intervals. It shows nothing unless the logger of this
    module is enabled for level INFO, as the command line does.

    Args:
        iterable: What to iterate over; None if `update` counts.
        total: The final count; by default the length of the iterable.
        unit: The unit in the singular; "B" for bytes.
        name: The task, if a job has several.
        initial: The count at the start.
    """

    # Every step checks the clock, so tqdm needs no monitor thread for slow steps.
    monitor_interval = 0

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        total: float | None = None,
        unit: str = "step",
        *,
        name: str = "",
        initial: float = 0,
    ) -> None:
        self._draws = sys.stderr.isatty()
        self._told: float | None = None
        self._told_at = 0.0
        super().__init__(
            iterable,
            disable=not logger.isEnabledFor(logging.INFO),
            file=None if self._draws else io.StringIO(),
            leave=None,
            delay=DELAY,
            miniters=1,
            mininterval=0.1 if self._draws else DELAY,
            desc=" ".join(filter(None, [JOB.get(), name])) or None,
            total=total,
            unit=unit,
            unit_scale=unit == "B",
            initial=initial,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar, and log a line if one is due; log the end of the work only if a line came before."""
        elapsed = self.format_dict["elapsed"]
        if self.disable:  # it closes
            due = self._told not in (None, self.n)
        else:  # between lines are ten seconds, then a sixtieth of the elapsed time, then a minute
            due = elapsed - self._told_at >= min(max(10.0, elapsed / 60), 60.0)
        if due:
            self._told, self._told_at = self.n, elapsed
            logger.info(self._line())
        if self._draws:
            super().display(msg, pos)

    def _line(self) -> str:
        counted = self.unit if self.unit_scale else f"{self.unit}s"
        left = "" if self.total is None else ", {remaining} left"
        form = f"{{desc}}: {{n_fmt}}/{{total_fmt}} {counted}, {{rate_fmt}}, {{elapsed}} so far{left}"
        line = self.format_meter(**{**self.format_dict, "bar_format": form, "ncols": None})
        # tqdm pads rates; a job without a name has no colon.
        return " ".join(str(line).removeprefix(": ").split())
