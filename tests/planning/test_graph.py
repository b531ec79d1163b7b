"""The jobs of a scale are those that Snakemake plans, waiting for the same."""

import json
import re
import subprocess
import sys

import pytest

from adm.params import load
from adm.planning.graph import jobs_of


def stage(name):
    """To DVC, and in what `plans.py` tells, a run's shards and what gathers them are one."""
    return re.sub(r"@\d+-of-\d+$", "", name).replace("_shard@", "@")


@pytest.mark.parametrize("file", ["params.yaml", "scales/paper/params.yaml"])
def test_snakemake_plans_the_same_jobs(root, file):
    command = [sys.executable, str(root / "tests" / "workflow" / "plans.py"), "snakemake", file]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    planned = json.loads(done.stdout.splitlines()[-1])
    jobs = jobs_of(load(root / file))
    assert {stage(name) for name in jobs} == set(planned["stages"])
    edges = {(stage(name), stage(before)) for name, job in jobs.items() for before in job.after}
    assert {(a, b) for a, b in edges if a != b} == {tuple(edge) for edge in planned["edges"]}


@pytest.mark.parametrize("file", ["params.yaml", "scales/fashion/params.yaml", "scales/released/params.yaml"])
def test_jobs_stand_behind_those_that_they_wait_for(root, file):
    seen = set()
    for name, job in jobs_of(load(root / file)).items():
        assert seen >= set(job.after), name
        seen.add(name)


def test_shards_are_cut_as_the_params_file_says(root):
    params = load(root / "scales" / "paper" / "params.yaml")
    jobs = jobs_of(params)
    assert jobs["sample@scale-512-4"].after == tuple(f"sample_shard@scale-512-4@{n}-of-8" for n in range(1, 9))
    assert sum(job.rule == "sample_shard" for job in jobs.values()) == 8 * len(params.runs)
