"""Progress: bars on a terminal alone; in the log lines that stand by themselves, seldom, and none of short work."""

import io
import logging
import re
import sys
from weakref import WeakSet

import pytest
from tqdm import tqdm

from adm import progress as module
from adm.journal import console
from adm.progress import JOB, progress, rows_of

LINE = re.compile(r"sample x: (\d+)/(\d+) blocks, (\S+/\S+), (\d+):(\d\d) so far, (\d+):(\d\d) left")


class Clock:
    def __init__(self):
        self.now = 1.0e9

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    # A bar that another test broke off lives until it is collected, and would push this one down a line.
    monkeypatch.setattr(tqdm, "_instances", WeakSet(), raising=False)
    return clock


@pytest.fixture
def lines(caplog):
    """The lines of progress that are logged, in a job of a name."""
    caplog.set_level(logging.INFO, "adm")
    token = JOB.set("sample x")
    yield lambda: [record.getMessage() for record in caplog.records]
    JOB.reset(token)


def work(clock, seconds, total, **settings):
    for _ in progress(range(total), unit="block", **settings):
        clock.now += seconds


def test_lines_tell_how_far_how_fast_and_how_long(clock, lines):
    work(clock, 2.0, 40)
    found = [LINE.fullmatch(line) for line in lines()]
    assert all(found), lines()
    for done, total, rate, minutes, seconds, minutes_left, seconds_left in (match.groups() for match in found):
        assert (total, rate) == ("40", "2.00s/block")
        assert 60 * int(minutes) + int(seconds) == 2 * int(done)
        assert 60 * int(minutes_left) + int(seconds_left) == 2 * (40 - int(done))
    assert [int(match[1]) for match in found] == [5, 10, 15, 20, 25, 30, 35, 40]


def test_short_work_says_nothing(clock, lines):
    work(clock, 0.9, 10)
    assert lines() == []


def test_lines_of_long_work_come_seldom(clock, lines):
    work(clock, 1.0, 24 * 3600)
    assert 24 * 60 <= len(lines()) <= 24 * 60 + 300


def test_work_that_went_on_counts_from_where_it_stood(clock, lines):
    with progress(total=100, unit="block", initial=60) as bar:
        for _ in range(40):
            clock.now += 1.0
            bar.update()
    assert re.match(r"sample x: 70/100 blocks, 1.00block/s, 00:10 so far, 00:30 left", lines()[0])


def test_work_that_breaks_off_tells_where(clock, lines):
    steps = iter(progress(range(40), unit="block"))
    for _ in range(25):
        next(steps)
        clock.now += 1.0
    steps.close()
    assert LINE.fullmatch(lines()[-1])[1] == "24"


def test_rows_are_counted_chunk_by_chunk(clock, lines):
    for _ in rows_of([[1] * 6, [2] * 4], 10):
        clock.now += 10
    assert [line.split(",")[0] for line in lines()] == ["sample x: 6/10 images", "sample x: 10/10 images"]


def test_a_terminal_shows_a_bar_and_no_lines(clock, lines, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "100")
    with console():
        work(clock, 1.0, 30)
        logging.getLogger("adm.elsewhere").info("a line above it")
    shown = sys.stderr.getvalue()
    assert "sample x: 100%|" in shown
    assert "\ra line above it\n" in shown or "\na line above it\n" in shown
    assert " so far, " not in shown
    assert len(lines()) > 2  # for the journal


def test_a_pipe_shows_lines_and_no_bar(clock, lines, capsys):
    with console():
        work(clock, 1.0, 30)
    shown = capsys.readouterr().err
    assert shown.splitlines() == lines()
    assert "%" not in shown
    assert "\r" not in shown


def test_nothing_shows_where_nobody_asked_for_it(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert not module.logger.isEnabledFor(logging.INFO)
    work(clock, 1.0, 30)
    assert sys.stderr.getvalue() == ""
