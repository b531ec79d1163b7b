"""Sampling that is killed at any moment and started again ends in the very bytes of sampling that was not."""

import os
import random
import shutil
import time

import pytest
from children import KILLED, Fault, contents
from miniature import miniature_params

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("ADM_KILLS_SEED", "20211"))
"""Of the moments; another one is given by the environment."""

RUN, RESULTS = "scale-2", "results/embedded"
KINDS = ["call"] * 8 + ["moment"] * 2


class Job:
    """A run to sample, and what it must end in."""

    def __init__(self, children, folder):
        self.children, self.folder = children, folder
        self.out, self.work = (folder / RESULTS / name / RUN for name in ("samples", "work/sample"))
        self.random = random.Random(SEED)
        begun = time.monotonic()
        self.calls = self.sample().count
        self.seconds = time.monotonic() - begun
        self.whole = contents(self.out)

    def sample(self, nth=0, seconds=None):
        """Sample, and be killed before the nth call that changes a file, or after some seconds."""
        fault = Fault(str(self.folder), nth)
        return self.children.run("sample", RUN, folder=self.folder, fault=fault, seconds=seconds)

    def kept(self):
        """Finished blocks, by their names and the moment at which each was put there."""
        return {path.name: path.stat().st_mtime_ns for path in self.work.glob("*/block-*.npz")}

    def check_killed(self, ended, before):
        """The samples are there whole or not at all, blocks of before stay, and nothing takes them for an artifact."""
        assert ended.code == KILLED, ended.printed
        assert contents(self.out) in (None, self.whole)
        kept = self.kept()
        assert before.items() <= kept.items() or self.out.exists()
        inputs = {"checkpoints/adm-128-0", "checkpoints/classifier-0"}
        places = (self.folder / RESULTS).glob("*/[!.]*")
        results = [path for path in places if path.parent.name not in ("jobs", "logs", "work")]
        found = {path.relative_to(self.folder / RESULTS).as_posix() for path in results} - inputs
        assert found <= {f"samples/{RUN}"}

    def check_ended(self):
        """The bytes are those of the job that was not killed, and nothing else is left."""
        assert contents(self.out) == self.whole
        assert [path for path in (self.folder / RESULTS / "work").rglob("*") if path.is_file()] == []
        assert [path for path in self.out.parent.iterdir() if path != self.out] == []


@pytest.fixture(scope="module")
def project(faulty, write_params, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    whole = miniature_params()
    params = {key: whole[key] for key in ("paths", "execution", "datasets", "extractors", "references", "models")}
    params["runs"] = {"scale": {**whole["runs"]["scale"]}}
    params["runs"]["scale"].update(checkpoint="adm-128-0", classifier="classifier-0", num_samples=22)
    write_params(folder, params)
    for model in ("adm-128", "classifier"):
        ended = faulty.run("init", model, folder=folder)
        assert ended.code == 0, ended.printed
    return folder


def test_a_job_killed_at_ten_moments_ends_in_the_same_bytes(faulty, project):
    job = Job(faulty, project)
    job.check_ended()
    print(f"ADM_KILLS_SEED={SEED} repeats this; {job.calls} calls, {job.seconds:.1f} s")
    kinds = job.random.sample(KINDS, len(KINDS))
    shutil.rmtree(job.out, ignore_errors=True)
    while kinds:
        before = job.kept()
        if kinds[-1] == "call":
            nth = job.random.randint(1, job.calls)
            print(f"kill before call {nth}")
            ended = job.sample(nth)
        else:
            seconds = job.random.uniform(0, job.seconds)
            print(f"kill after {seconds:.3f} s")
            ended = job.sample(seconds=seconds)
        if ended.code == 0:
            # Fewer calls are left to a job that goes on than to one that begins.
            job.check_ended()
        else:
            job.check_killed(ended, before)
            kinds.pop()
        shutil.rmtree(job.out, ignore_errors=True)
    assert job.sample().code == 0
    job.check_ended()
