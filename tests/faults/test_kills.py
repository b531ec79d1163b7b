"""Training that is killed or stopped at any moment and started again ends in the bytes of training that was not."""

import csv
import os
import random
import re
import shutil
import signal
import time

import pytest
from children import KILLED, Fault, contents
from miniature import miniature_params

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("ADM_KILLS_SEED", "20211"))
"""Of the moments; another one is given by the environment."""

MOST = 40
"""Stops of which one at least must come while training runs."""

RESULTS = "results/embedded"
VARIANTS = {
    # Of full float32 many kills; of float16, whose loss scale is part of the state, fewer: it is slow on a processor.
    "float32": {"batch_size": 2, "stop": 18, "save_every": 3, "calls": 10, "moments": 4, "stops": 10},
    "float16": {"batch_size": 2, "stop": 6, "save_every": 2, "calls": 4, "moments": 2, "stops": 3},
}


class Job:
    """A segment to train, and what it must end in."""

    def __init__(self, children, folder, stop):
        self.children, self.folder, self.stop = children, folder, stop
        self.segment = f"adm-128-{stop}"
        self.random = random.Random(f"{SEED} {folder.name}")
        begun = time.monotonic()
        self.calls = self.train().count
        self.seconds = time.monotonic() - begun
        self.whole = contents(self.checkpoint)

    @property
    def checkpoint(self):
        return self.folder / RESULTS / "checkpoints" / self.segment

    @property
    def work(self):
        return self.folder / RESULTS / "work" / "train" / self.segment

    @property
    def log(self):
        return self.folder / RESULTS / "training" / f"{self.segment}.csv"

    def train(self, nth=0, seconds=None, number=signal.SIGKILL):
        """Train, and be killed before the nth call that changes a file, or be sent a signal after some seconds."""
        fault = Fault(str(self.folder), nth)
        options = {"folder": self.folder, "fault": fault, "seconds": seconds, "number": number}
        return self.children.run("train", self.segment, **options)

    def check_killed(self, ended, before):
        """What a killed job leaves is what was there before or whole, and nothing takes its debris for real."""
        assert ended.code == KILLED, ended.printed
        assert contents(self.checkpoint) in (before, self.whole)
        inputs = {"data/digits", "checkpoints/adm-128-0"}
        places = (self.folder / RESULTS).glob("*/[!.]*")
        results = [path for path in places if path.parent.name not in ("jobs", "logs", "work")]
        found = {path.relative_to(self.folder / RESULTS).as_posix() for path in results} - inputs
        assert found <= {f"checkpoints/{self.segment}", f"training/{self.segment}.csv"}

    def check_ended(self):
        """The bytes are those of the job that was not killed, the log has every row once, and no debris is left."""
        assert contents(self.checkpoint) == self.whole
        with self.log.open(newline="") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        steps, seconds = [int(row["step"]) for row in rows], [float(row["seconds"]) for row in rows]
        assert {2, 4, self.stop} <= set(steps)
        assert steps == sorted(set(steps))
        assert seconds == sorted(seconds)
        left = [path for path in self.folder.rglob("*") if path.name.startswith(".")]
        assert left == []
        assert [path.name for path in self.work.glob("*/*")] == [f"step-{self.stop:09d}"]


@pytest.fixture(scope="module", params=VARIANTS)
def job(request, faulty, write_params, tmp_path_factory):
    """A job of which every part of the state matters: dropout, a moving average, a loss scale; of a small network."""
    variant = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    whole = miniature_params()
    params = {key: whole[key] for key in ("paths", "datasets")}
    params["execution"] = {"log_every": 2, "save_every": variant["save_every"]}
    model = whole["models"]["adm-128"]
    params["models"] = {"adm-128": {**model, "checkpoints": [variant["stop"]]}}
    model["network"].update(dropout=0.1, channel_multiplier=[1], attention_resolutions=[])
    model["training"].update(batch_size=variant["batch_size"], precision=request.param)
    write_params(folder, params)
    for command in ("prepare digits", "init adm-128"):
        ended = faulty.run(*command.split(), folder=folder)
        assert ended.code == 0, ended.printed
    return Job(faulty, folder, variant["stop"]), variant


def test_a_job_killed_at_twenty_moments_ends_in_the_same_bytes(job):
    job, variant = job
    shutil.rmtree(job.work)
    print(f"ADM_KILLS_SEED={SEED} repeats this; {job.calls} calls, {job.seconds:.1f} s")
    kinds = ["calls"] * variant["calls"] + ["moments"] * variant["moments"]
    job.random.shuffle(kinds)
    before, kills = job.whole, 0
    while kinds:
        if kinds[-1] == "calls":
            # Fewer calls are left to a job that goes on than to one that begins.
            nth = job.random.randint(1, job.calls)
            print(f"kill {kills}: before call {nth}")
            end = job.train(nth)
        else:
            seconds = job.random.uniform(0, job.seconds)
            print(f"kill {kills}: after {seconds:.3f} s")
            end = job.train(seconds=seconds)
        if end.code == 0:
            job.check_ended()
            # With the last state, nothing would be left to train.
            shutil.rmtree(job.work)
            # An artifact of another time is there now and then, as when a stage is forced to run again.
            before = {"old": b"old"} if job.random.random() < 0.5 else None
            replace(job.checkpoint, before)
            continue
        job.check_killed(end, before)
        kills += 1
        kinds.pop()
    assert job.train().code == 0
    job.check_ended()


def test_a_job_stopped_at_any_moment_ends_in_the_same_bytes(job):
    """Each stop keeps the step at which it came, however far the next save by count is."""
    job, variant = job
    shutil.rmtree(job.work)
    print(f"ADM_KILLS_SEED={SEED} repeats this; {job.seconds:.1f} s")
    stops = kept = 0
    # On a fast machine the few of float16 may all come before training has begun: more are sent, to an end.
    while stops < variant["stops"] or (not kept and stops < MOST):
        number = job.random.choice([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
        ended = job.train(seconds=job.random.uniform(0.2, 0.9) * job.seconds, number=number)
        if ended.code == 0:
            job.check_ended()
            shutil.rmtree(job.work)
            replace(job.checkpoint, None)
            continue
        stops += 1
        assert ended.code in (128 + number, -number), (
            ended.printed
        )  # before it has begun, a signal ends it as any process
        assert "Traceback" not in ended.printed
        if told := re.search(rf"stopped by {number.name} at iteration (\d+) of {job.stop}", ended.printed):
            assert list(job.work.glob(f"*/step-{int(told[1]):09d}"))
            kept += 1
    assert kept
    assert job.train().code == 0
    job.check_ended()


def replace(folder, content):
    """Have a folder hold other files, or none at all."""
    shutil.rmtree(folder)
    if content is not None:
        folder.mkdir()
        for name, file in content.items():
            (folder / name).write_bytes(file)
