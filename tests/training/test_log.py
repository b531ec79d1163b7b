"""The training log goes on where a resumed run stands, and TensorBoard's curves with it."""

import csv
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from adm.training.log import TrainingLog
from adm.training.updates import Report


def write(path, steps, every=2, earlier=None):
    with TrainingLog(path, earlier, every, 8, path.parent / "curves") as log:
        for step in steps:
            log.add(Report(step, {"loss": float(step), "learning_rate": 0.5}), last=step == steps[-1])


def copied(path):
    """A copy of a log as it stands, as a state holds it."""
    return Path(shutil.copy(path, path.with_name(f"copy-{time.time_ns()}.csv")))


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "log.csv"


def curves(folder):
    """Every scalar that TensorBoard reads of a folder: its step and value by its name."""
    read = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]}


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


def test_resuming_appends_under_one_header_and_seconds_never_fall(path):
    write(path, range(1, 5))
    write(path, range(5, 9), earlier=copied(path))
    rows = read(path)
    assert [row["step"] for row in rows] == ["2", "4", "6", "8"]
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert path.read_text().count("step,") == 1


def test_a_run_from_the_start_forgets_an_older_log(path):
    write(path, range(1, 9))
    write(path, range(1, 3))
    assert [row["step"] for row in read(path)] == ["2"]


def test_a_run_resumed_between_two_rows_averages_what_it_saw(path):
    write(path, range(1, 5), every=4)
    write(path, range(6, 9), every=4, earlier=copied(path))
    assert [(row["step"], float(row["loss"])) for row in read(path)] == [("4", 2.5), ("8", 7.0)]


def test_a_row_is_on_disk_as_soon_as_it_is_complete(path):
    with TrainingLog(path, None, 1, 8, path.parent / "curves") as log:
        log.add(Report(1, {"loss": 1.0}))
        assert [row["step"] for row in read(path)] == ["1"]
        assert curves(path.parent / "curves")["loss"] == [(1, 1.0)]


def test_curves_are_the_rows_of_the_csv_after_any_interruption(path):
    rng = np.random.default_rng(0)
    earlier = None
    for start, saved, stop in ((0, 4, 8), (4, 10, 11), (10, 13, 13), (13, 14, 14)):
        with TrainingLog(path, earlier, 2, 8, path.parent / "curves") as log:
            for step in range(start + 1, stop + 1):
                log.add(Report(step, {"loss": rng.normal(), "gradient_norm": 10.0 ** rng.integers(-9, 9)}))
                if step == saved:
                    earlier = copied(path)
        rows = read(path)
        shown = curves(path.parent / "curves")
        assert set(shown) == {"images_per_second", "loss", "gradient_norm"}
        for name, points in shown.items():
            assert points == [(int(row["step"]), float(np.float32(row[name]))) for row in rows]


def test_curves_tell_the_seconds_of_training_up_to_now(path):
    path.parent.mkdir()
    earlier = path.with_name("earlier.csv")
    earlier.write_text(
        "step,seconds,images_per_second,loss,learning_rate\n2,500.000,8.0,1.5,0.5\n4,1000.000,8.0,3.5,0.5\n"
    )
    write(path, range(5, 9), earlier=earlier)
    events = EventAccumulator(str(path.parent / "curves")).Reload().Scalars("loss")
    seconds = [float(row["seconds"]) for row in read(path)]
    assert np.diff([event.wall_time for event in events]) == pytest.approx(np.diff(seconds), abs=1e-5)
    assert time.time() - 60 < events[-1].wall_time <= time.time()


def test_curves_need_no_tensorflow(path, root):
    script = (
        "import sys\nfrom pathlib import Path\nfrom adm.training.log import TrainingLog\n"
        "from adm.training.updates import Report\n"
        f"with TrainingLog(Path({str(path)!r}), None, 1, 8, Path({str(path.parent / 'curves')!r})) as log:\n"
        "    log.add(Report(1, {'loss': 1.0}))\n"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_curves_on_a_disk_that_takes_no_more_are_given_up_with_one_warning(path, monkeypatch, caplog):
    opened = Path.open
    full = lambda self, *rest, **options: opened(  # noqa: E731
        Path("/dev/full") if "tfevents" in self.name else self, *rest, **options
    )
    monkeypatch.setattr(Path, "open", full)
    write(path, range(1, 9))
    assert [row["step"] for row in read(path)] == ["2", "4", "6", "8"]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning == f"warning: {path.parent / 'curves'}: no more curves for TensorBoard: No space left on device"
