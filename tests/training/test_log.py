"""The training log goes on where a resumed run stands."""

import csv
import logging
import shutil
import time
from pathlib import Path

import pytest

from adm.training.log import log_reports
from adm.training.updates import Report


def write(path, steps, every=2, earlier=None):
    reports = [Report(step, {"loss": float(step), "learning_rate": 0.5}) for step in steps]
    assert list(log_reports(reports, path, steps[0] - 1, steps[-1], every, 8, earlier)) == reports


def copied(path):
    """A copy of a log as it stands, as a state holds it."""
    return Path(shutil.copy(path, path.with_name(f"copy-{time.time_ns()}.csv")))


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "log.csv"


def test_a_row_every_few_steps_holds_the_means_since_the_last(path, caplog):
    caplog.set_level(logging.INFO, "adm")
    write(path, range(1, 6))
    rows = read(path)
    assert [(row["step"], float(row["loss"]), float(row["learning_rate"])) for row in rows] == [
        ("2", 1.5, 0.5),
        ("4", 3.5, 0.5),
        ("5", 5.0, 0.5),  # the last
    ]
    assert list(rows[0])[:3] == ["step", "seconds", "images_per_second"]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split("  ")[0] for line in lines] == ["step 2", "step 4", "step 5"]
    assert "loss 3.5" in lines[1]


def test_rows_after_the_resumed_step_are_dropped_and_the_others_stay_as_they_were(path):
    write(path, range(1, 5))
    earlier = copied(path)
    before = path.read_text().splitlines()
    write(path, range(5, 9), earlier=earlier)
    write(path, range(5, 7), earlier=earlier)
    after = path.read_text().splitlines()
    assert after[:3] == before[:3]
    assert [row["step"] for row in read(path)] == ["2", "4", "6"]


def test_a_run_from_the_start_forgets_an_older_log(path):
    write(path, range(1, 9))
    write(path, range(1, 3))
    assert [row["step"] for row in read(path)] == ["2"]


def test_a_run_resumed_between_two_rows_averages_what_it_saw(path):
    write(path, range(1, 5), every=4)
    write(path, range(6, 9), every=4, earlier=copied(path))
    assert [(row["step"], float(row["loss"])) for row in read(path)] == [("4", 2.5), ("8", 7.0)]


def test_a_row_is_on_disk_as_soon_as_it_is_complete(path):
    next(log_reports([Report(1, {"loss": 1.0}), Report(2, {"loss": 1.0})], path, 0, 2, 1, 8))
    assert [row["step"] for row in read(path)] == ["1"]
