"""The bar over all jobs of a run: it counts them, makes way for messages, and is drawn on a terminal alone."""

import io
import logging
import sys

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from workflow import bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def message(text="", **told):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, text, None, None)
    vars(record).update(told)
    return record


def test_jobs_are_counted_and_other_messages_printed_on_a_line_that_the_bar_has_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    shown = bar.Bar()
    assert not shown.filter(message("Execute 1 jobs..."))
    assert not shown.filter(message(event=LogEvent.PROGRESS, done=1, total=4))
    assert not shown.filter(message(event=LogEvent.JOB_FINISHED))
    last = terminal.getvalue().rpartition("\r")[2]
    assert last.startswith(" 25%|")
    assert "1/4 jobs, " in last
    assert shown.filter(message("error", event=LogEvent.ERROR))
    assert terminal.getvalue().rpartition("\r")[2] == ""
    shown.shown.close()


def test_it_filters_what_goes_to_a_terminal_and_nothing_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    on_terminal = logging.StreamHandler(terminal)
    monkeypatch.setattr(logger, "handlers", [on_terminal, in_file := logging.StreamHandler(io.StringIO())])
    bar.start()
    assert (len(on_terminal.filters), len(in_file.filters)) == (1, 0)
    on_terminal.filters[0].shown.close()
    monkeypatch.setattr(sys, "stderr", plain := io.StringIO())
    monkeypatch.setattr(logger, "handlers", [redirected := logging.StreamHandler(plain)])
    bar.start()
    assert redirected.filters == []
    assert plain.getvalue() == ""
