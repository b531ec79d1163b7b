"""A training job that is killed goes on where it stood, and ends in the same checkpoint, byte for byte."""

import subprocess
import sys
import time

import pytest
import yaml

STOP = 60


@pytest.fixture
def project(root, tmp_path):
    """A folder with a params file of one short segment, its dataset and its initial checkpoint."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["models"]["adm-128"]["network"]["dropout"] = 0.1
    params["models"]["adm-128"]["training"].update(batch_size=4, timestep_sampler="loss_second_moment")
    params["execution"].update(log_every=7, save_every=5)
    params["segments"]["adm-128-250"]["stop"] = STOP
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for command in ("prepare --dataset digits --out data", "init --model adm-128 --out adm-128-0"):
        verb, *rest = command.split()
        subprocess.run(adm(verb, *rest), cwd=tmp_path, check=True)
    return tmp_path


def adm(verb, *arguments):
    return [sys.executable, "-m", "adm", verb, "--params", "params.yaml", *arguments]


def train(out):
    flags = f"--segment adm-128-250 --data data --previous adm-128-0 --out {out} --work work/{out} --log logs/{out}.csv"
    return adm("train", *flags.split())


def test_a_killed_job_ends_in_the_same_bytes(project):
    subprocess.run(train("whole"), cwd=project, check=True, capture_output=True)
    for _ in range(2):
        before = set((project / "work").rglob("step-*"))
        job = subprocess.Popen(train("killed"), cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not set((project / "work").rglob("step-*")) - before:
            assert job.poll() is None, "the job ended before it saved"
            time.sleep(0.02)
        job.kill()
        job.wait()
        assert not (project / "killed").exists()
        assert not (project / "logs" / "killed.csv").exists()
    subprocess.run(train("killed"), cwd=project, check=True, capture_output=True)
    files = {path.name: path.read_bytes() for path in (project / "whole").iterdir()}
    assert {path.name: path.read_bytes() for path in (project / "killed").iterdir()} == files
    assert not list((project / "work").rglob("step-*"))
    rows = [line.split(",") for line in (project / "logs" / "killed.csv").read_text().splitlines()]
    assert rows[0][:2] == ["step", "seconds"]
    steps, seconds = [int(row[0]) for row in rows[1:]], [float(row[1]) for row in rows[1:]]
    # Each try goes on where the state was saved: at a multiple of 5, which may lie between two rows.
    assert steps == [*range(7, STOP, 7), STOP]
    assert seconds == sorted(seconds)
