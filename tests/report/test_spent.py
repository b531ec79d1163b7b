"""What a scale took is the sum over its journals, as they are written."""

import re
from types import SimpleNamespace

import pytest

from adm.artifacts.seal import write_sealed_csv
from adm.journal import journal_of
from adm.report.spent import spent, table, trained


def journal(root, name):
    return journal_of(SimpleNamespace(root=root, name=name, command=name.split("/"), code="", values={}))


def test_every_try_counts_however_it_ended(tmp_path):
    assert spent(tmp_path).empty
    with journal(tmp_path, "train/a-100"):
        pass
    with pytest.raises(KeyError), journal(tmp_path, "train/a-100"):
        raise KeyError
    path = tmp_path / "logs" / "train" / "a-100.txt"
    ends = r" after [\d.]+ s, with [\d.]+ s of processor time and at most \d+ MiB"
    told = iter(
        [
            " after 90.0 s, with 60.0 s of processor time and at most 300 MiB",
            " after 5.0 s, with 30.0 s of processor time and at most 400 MiB",
        ]
    )
    text, count = re.subn(ends, lambda _: next(told), path.read_text())
    assert count == 2
    path.write_text(text)
    with journal(tmp_path, "sample/run"):
        pass
    *_, train, sample, total = table(spent(tmp_path))
    assert train == "| train | 1 | 1.5 | 90 | 400 |"
    assert sample.startswith("| sample | 1 | ")
    assert total.startswith("| all | 2 | 1.5 | 90 | ")


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
