"""One bar for all jobs of a Snakemake run, on a terminal: how much of the planned work is done, and the time left.

A job weighs what `adm plan` expects it to compute, because jobs differ by more than a hundred times. The plan needs
torch and takes seconds, so another process makes it while the first jobs run.
"""
# ruff: noqa: PLC0415

import atexit
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
from tqdm import tqdm

STARTUP = 0.5
"""Seconds of processor time of any job, beside what it computes: its start, reading and writing."""

SAID = ("Select jobs to execute", "Execute ")
"""How lines of Snakemake's scheduler begin, two for each job, which would push the bar on."""

TOLD = frozenset({LogEvent.PROGRESS, LogEvent.JOB_FINISHED})
"""Events of which Snakemake prints a line, and which the bar shows instead."""

FORM = "{percentage:3.0f}%|{bar}| {postfix[0]}/{postfix[1]} jobs, {elapsed} so far, {remaining} left"


class Bar(logging.Filter):
    """A bar that follows Snakemake's messages, and makes way for those that are printed.

    Args:
        weights: The planned work of each job, by its id.
        finished: The ids of the jobs that have finished.
        began: When the first job began, in seconds of `time.time`.
    """

    def __init__(self, weights: Mapping[int, float], finished: Callable[[], set[int]], began: float) -> None:
        super().__init__()
        self.weights, self.finished = weights, finished
        total, jobs = sum(weights.values()), len(weights)
        self.shown = tqdm(total=total, smoothing=0, leave=False, bar_format=FORM, postfix=[0, jobs], dynamic_ncols=True)
        self.shown.start_t = began

    def filter(self, record: logging.LogRecord) -> bool:
        """Take in what a message tells of jobs; return whether it is printed."""
        if record.getMessage().startswith(SAID):
            return False
        if getattr(record, "event", None) not in TOLD:
            self.shown.clear()
            return True
        done = self.finished() & self.weights.keys()
        self.shown.n, self.shown.postfix[0] = sum(self.weights[job] for job in done), len(done)
        self.shown.refresh()
        return False


def start(dag: Any, file: str) -> None:
    """Show the bar for the jobs that a run is about to do, if standard error is a terminal.

    Args:
        dag: Snakemake's graph of jobs.
        file: The params file.
    """
    if sys.stderr.isatty():
        names = {job.jobid: "/".join([job.rule.name, *job.wildcards]) for job in dag.needrun_jobs()}
        threading.Thread(target=_draw, args=(dag, file, names, time.time()), daemon=True).start()


def _draw(dag: Any, file: str, names: Mapping[int, str], began: float) -> None:
    planned = subprocess.run([sys.executable, "-m", __name__, file], check=False, capture_output=True, text=True)
    # Without a plan, as of a dataset that is not there yet, all jobs weigh the same.
    seconds = json.loads(planned.stdout) if planned.returncode == 0 else {}
    weights = {job: seconds.get(name, STARTUP) for job, name in names.items()}
    bar = Bar(weights, lambda: {job.jobid for job in dag.finished_jobs}, began)
    for handler in logger.handlers:
        if getattr(handler, "stream", None) is sys.stderr:
            handler.addFilter(bar)
    atexit.register(bar.shown.close)
    while not bar.shown.disable:
        bar.shown.refresh()
        time.sleep(1)


def planned_seconds(file: str) -> dict[str, float]:
    """Seconds of a thread that each job of a params file is expected to take, by its name.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    from adm.params import load
    from adm.pipeline import Pipeline
    from adm.planning.costs import costs_of
    from adm.planning.devices import FLOPS_OF_A_THREAD
    from adm.planning.images import ImageCounts

    costs = costs_of(ImageCounts(Pipeline(load(file))))
    return {name: STARTUP + cost.flops / FLOPS_OF_A_THREAD + cost.processor_seconds for name, cost in costs.items()}


if __name__ == "__main__":
    print(json.dumps(planned_seconds(sys.argv[1])))
