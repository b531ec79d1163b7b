"""The bar over all jobs of a run: its share is of planned work, and it is drawn on a terminal alone."""

import io
import logging
import sys
import threading
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from adm.params import load
from adm.pipeline import Pipeline
from workflow import bar

PLAN = """
paths: {results: results/x}
datasets: {digits: {source: digits, image_size: 8, num_classes: 10}}
models:
  m:
    kind: diffusion
    dataset: digits
    checkpoints: [100, 400]
    network: {image_size: 8, channels: 32, channel_multiplier: [1], heads: 1, num_classes: 10}
    training: {batch_size: 4}
"""


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self):
        return True


def message(event):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", None, None)
    record.event = event
    return record


def test_the_share_and_the_time_left_are_of_planned_work(monkeypatch):
    now = 1.0e6
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    finished = set()
    shown = bar.Bar({1: 50.0, 2: 30.0, 3: 20.0}, lambda: finished | {99}, now)
    for seconds, job, event, begins, ends in (
        (100, 1, LogEvent.PROGRESS, " 50%|", "1/3 jobs, 01:40 so far, 01:40 left"),
        (60, 2, LogEvent.JOB_FINISHED, " 80%|", "2/3 jobs, 02:40 so far, 00:40 left"),
    ):
        now += seconds
        finished.add(job)
        assert not shown.filter(message(event))
        last = terminal.getvalue().rpartition("\r")[2].rstrip()
        assert (last[: len(begins)], last[-len(ends) :]) == (begins, ends)
    # Any other message is printed, on a line that the bar has left.
    assert shown.filter(message(LogEvent.ERROR))
    assert shown.filter(message(None))
    assert terminal.getvalue().rpartition("\r")[2] == ""
    shown.shown.close()


def test_nothing_is_drawn_and_no_plan_made_where_there_is_no_terminal(monkeypatch, capsys):
    dag = SimpleNamespace(needrun_jobs=lambda: pytest.fail("asked for jobs"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    before = threading.active_count()
    bar.start(dag, "params.yaml")
    assert threading.active_count() == before
    assert sys.stderr.getvalue() == ""


def test_the_plan_has_every_job_and_weighs_training_by_its_iterations(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(PLAN)
    seconds = bar.planned_seconds(str(file))
    assert seconds.keys() == Pipeline(load(file)).jobs.keys()
    assert min(seconds.values()) >= bar.STARTUP
    short, long = (seconds[name] - bar.STARTUP for name in ("train/m-100", "train/m-400"))
    assert long == pytest.approx(3 * short)
    assert short > 0
