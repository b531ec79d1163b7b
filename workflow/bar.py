"""One bar for all jobs of a Snakemake run, on a terminal, in the place of the lines that Snakemake prints of each."""

import atexit
import logging
import sys

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
from tqdm import tqdm

SCHEDULING = ("Select jobs to execute", "Execute ")
"""How lines of Snakemake's scheduler begin, two for each job, which would push the bar on."""

FORM = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} jobs, {elapsed} so far"


class Bar(logging.Filter):
    """A bar that follows Snakemake's messages, and makes way for those that are printed."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = tqdm(leave=False, bar_format=FORM, dynamic_ncols=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take in what a message tells of jobs; return whether it is printed."""
        event = getattr(record, "event", None)
        if event == LogEvent.PROGRESS:
            self.shown.n, self.shown.total = record.done, record.total  # type: ignore[attr-defined]
            self.shown.refresh()
        if event in (LogEvent.PROGRESS, LogEvent.JOB_FINISHED) or record.getMessage().startswith(SCHEDULING):
            return False
        self.shown.clear()
        return True


def start() -> None:
    """Show the bar from now on, if standard error is a terminal."""
    if sys.stderr.isatty():
        bar = Bar()
        for handler in logger.handlers:
            if getattr(handler, "stream", None) is sys.stderr:
                handler.addFilter(bar)
        atexit.register(bar.shown.close)
