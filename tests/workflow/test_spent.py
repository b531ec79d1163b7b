"""What a scale took is the sum over its journals, as they are written."""

import time

import pytest

from adm.journal import journal
from workflow.spent import spent, table, trained


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def failing(seconds):
    busy(seconds)
    raise KeyError


def test_every_try_counts_however_it_ended(tmp_path):
    with journal(tmp_path, "train/a-100", "train a-100", "train", {}):
        busy(0.3)
    with pytest.raises(KeyError), journal(tmp_path, "train/a-100", "train a-100", "train", {}):
        failing(0.3)
    with journal(tmp_path, "sample/run/0-of-2", "sample run", "sample", {}):
        busy(0.2)
    found = spent(tmp_path)
    assert list(found) == ["train", "sample"]
    assert found["train"].jobs == 1
    # A journal rounds to tenths of a second, and the journal itself takes a few hundredths.
    assert found["train"].processor == pytest.approx(0.6, abs=0.2)
    assert 0.2 <= found["sample"].longest <= found["train"].longest + 1
    assert found["train"].memory > 0


def test_a_row_a_verb_and_their_sum(tmp_path):
    logs = tmp_path / "logs" / "train"
    logs.mkdir(parents=True)
    (logs / "a.txt").write_text(
        "2026-01-01 00:00:00 finished after 90.0 s, with 60.0 s of processor time and at most 300 MiB of memory\n"
    )
    (logs / "b.txt").write_text("=== train b\n")
    *_, row, total = table(spent(tmp_path))
    assert row == "| train | 1 | 1.0 | 90 | 300 |"
    assert total == "| all | 1 | 1.0 | 90 | 300 |"


def test_nothing_that_ran(tmp_path):
    *_, total = table(spent(tmp_path))
    assert total == "| all | 0 | 0.0 | 0 | 0 |"


def test_logs_of_training_keep_their_values_as_written(tmp_path):
    logs = tmp_path / "training"
    logs.mkdir()
    (logs / "a-100.csv").write_text("step,loss,rate\n50,1.500,1e-05\n100,0.7,1e-05\n# sha256 12\n")
    (logs / "b-50.csv").write_text("step,loss,rate,scale\n50,0.2,0.001,16\n")
    lines = trained(tmp_path).to_csv(index=False).splitlines()
    assert lines == [
        "segment,step,loss,rate,scale",
        "a-100,50,1.500,1e-05,",
        "a-100,100,0.7,1e-05,",
        "b-50,50,0.2,0.001,16",
    ]
