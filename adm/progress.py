"""Progress of long work: a bar on a terminal and now and then a plain line in the log, with rate and time left."""

import io
import logging
import sys
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import Any, TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

JOB: ContextVar[str] = ContextVar("job", default="")
"""What the process is about, such as "train adm-128-250": what its bars and lines begin with."""

INTERVALS = (10.0, 60.0)
"""Seconds between lines: ten, and of long work a sixtieth of the time that has passed, up to a minute."""

Chunk = TypeVar("Chunk", bound=Sized)

DELAY = 1.0
"""Seconds before a bar shows: of short work there is none."""


def progress(
    iterable: Iterable[Any] | None = None,
    total: float | None = None,
    unit: str = "step",
    *,
    name: str = "",
    initial: float = 0,
) -> "Progress":
    """Show how far work is: iterate over what this returns, or call its `update` and close it, as of any `tqdm`.

    Nothing shows unless this module's logger takes records of level INFO, as it does in a verb of the command line.

    Args:
        iterable: What to go through; None where `update` counts.
        total: How many there will be; the iterable's length, if it has one, where none is given.
        unit: What is counted, in the singular; "B" counts bytes.
        name: What is done, where a job does several things.
        initial: How many there were before.
    """
    return Progress(
        iterable,
        desc=" ".join(filter(None, [JOB.get(), name])) or None,
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        initial=initial,
    )


def rows_of(chunks: Iterable[Chunk], total: int, unit: str = "image") -> Iterator[Chunk]:
    """Go through the chunks of `total` rows, and show how many rows are done with."""
    with progress(total=total, unit=unit) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


def on_terminal() -> bool:
    """Whether what this process says is read from a terminal, where bars can be drawn."""
    return sys.stderr.isatty()


class Progress(tqdm):  # type: ignore[type-arg]
    """A bar that draws itself on a terminal alone, and that logs a line at intervals wherever it is."""

    # Every step looks at the clock, so that no thread has to watch for steps that became slow.
    monitor_interval = 0

    def __init__(self, iterable: Iterable[Any] | None, **settings: Any) -> None:
        self._draws = on_terminal()
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
            **settings,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar, and log a line if it is time; where the work ended is logged if there was a line before."""
        closing, elapsed = self.disable, self.format_dict["elapsed"]
        least, most = INTERVALS
        if self._told is None:
            due = elapsed >= least
        elif closing:
            due = self.n != self._told
        else:
            due = elapsed - self._told_at >= min(max(least, elapsed / 60), most)
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
