"""The training log goes on where a resumed run stands."""

import csv

import pytest

from adm.training.log import TrainingLog
from adm.training.loop import Report


def write(path, start, steps, every=2):
    with TrainingLog(path, start, every, batch_size=8) as log:
        return [log.add(Report(step, {"loss": float(step), "learning_rate": 0.5})) for step in steps]


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "log.csv"


def test_a_row_every_few_steps_holds_the_means_since_the_last(path):
    lines = write(path, 0, range(1, 6))
    assert [line is None for line in lines] == [True, False, True, False, True]
    rows = read(path)
    assert [(row["step"], float(row["loss"]), float(row["learning_rate"])) for row in rows] == [
        ("2", 1.5, 0.5),
        ("4", 3.5, 0.5),
        ("5", 5.0, 0.5),  # what was pending when the log was closed
    ]
    assert list(rows[0])[:3] == ["step", "seconds", "images_per_second"]
    assert "step 4" in lines[3]
    assert "loss 3.5" in lines[3]


def test_rows_after_the_resumed_step_are_dropped_and_the_others_stay_as_they_were(path):
    write(path, 0, range(1, 9))
    before = path.read_text().splitlines()
    write(path, 4, range(5, 7))
    after = path.read_text().splitlines()
    assert after[:3] == before[:3]
    assert [row["step"] for row in read(path)] == ["2", "4", "6"]


def test_resuming_appends_under_one_header_and_seconds_never_fall(path):
    write(path, 0, range(1, 5))
    write(path, 4, range(5, 9))
    rows = read(path)
    assert [row["step"] for row in rows] == ["2", "4", "6", "8"]
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert path.read_text().count("step,") == 1


def test_a_run_from_the_start_forgets_an_older_log(path):
    write(path, 0, range(1, 9))
    write(path, 0, range(1, 3))
    assert [row["step"] for row in read(path)] == ["2"]


def test_a_run_resumed_between_two_rows_averages_what_it_saw(path):
    write(path, 0, range(1, 5), every=4)
    write(path, 5, range(6, 9), every=4)
    assert [(row["step"], float(row["loss"])) for row in read(path)] == [("4", 2.5), ("8", 7.0)]


def test_a_row_is_on_disk_as_soon_as_it_is_complete(path):
    with TrainingLog(path, 0, 1, batch_size=8) as log:
        log.add(Report(1, {"loss": 1.0}))
        assert [row["step"] for row in read(path)] == ["1"]


def test_a_row_that_a_kill_left_unfinished_is_dropped(path):
    write(path, 0, range(1, 5))
    with path.open("a") as file:
        file.write("6,0.1")
    write(path, 6, range(7, 9))
    assert [row["step"] for row in read(path)] == ["2", "4", "8"]
