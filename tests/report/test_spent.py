"""What a scale took is the sum over its journals, as they are written."""

import time
from types import SimpleNamespace

import pytest

from adm.artifacts.seal import write_sealed_csv
from adm.journal import journal_of
from adm.report.spent import spent, table, trained


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def journal(root, name):
    """The journal of a job of this name."""
    return journal_of(SimpleNamespace(root=root, name=name, command=name.split("/"), code="", values={}))


def failing(seconds):
    busy(seconds)
    raise KeyError


def test_every_try_counts_however_it_ended(tmp_path):
    with journal(tmp_path, "train/a-100"):
        busy(0.3)
    with pytest.raises(KeyError), journal(tmp_path, "train/a-100"):
        failing(0.3)
    with journal(tmp_path, "sample/run/0-of-2"):
        busy(0.1)
    found = spent(tmp_path)
    assert list(found.index) == ["train", "sample", "all"]
    found = found.loc
    assert found["train"].jobs == 1
    # A journal rounds to tenths of a second, and the journal itself takes a few hundredths.
    assert found["train"].processor == pytest.approx(0.6, abs=0.2)
    assert 0.1 <= found["sample"].longest <= found["train"].longest + 1
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
    assert spent(tmp_path).empty


def test_logs_of_training_stand_under_each_other(tmp_path):
    assert trained(tmp_path).empty
    logs = tmp_path / "training"
    logs.mkdir()
    write_sealed_csv(logs / "a-100.csv", "step,seconds,images_per_second,loss\n50,1,2,1.5\n100,2,2,0.7\n", "0")
    write_sealed_csv(logs / "b-50.csv", "step,seconds,images_per_second,loss,accuracy\n50,1,3,0.2,0.5\n", "0")
    assert trained(tmp_path).to_csv(index=False).splitlines() == [
        "segment,step,seconds,images_per_second,loss,accuracy",
        "a-100,50,1,2,1.5,",
        "a-100,100,2,2,0.7,",
        "b-50,50,1,3,0.2,0.5",
    ]
