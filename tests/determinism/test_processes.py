"""Several processes of a job: the same samples and features, the same training up to rounding, none left behind."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest
import yaml
from safetensors.numpy import load_file

from adm.parallel import LOST

# All on one of the test runner's processes: they share what is made for them, and each takes several processes itself.
pytestmark = pytest.mark.xdist_group("processes")

SAMPLES, MICRO_BATCH = 23, 5
"""Five blocks, so that neither two nor three processes have as many each; the last one is cut."""

STOP = 8


def small_params(root):
    """The embedded scale, with little to sample and little to train."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    for kind in ("runs", "upsampled_runs", "gan_runs"):
        for run in params[kind].values():
            run.update(num_samples=SAMPLES, micro_batch=MICRO_BATCH)
    params["runs"]["scale-2"].update(steps="3")
    params["runs"]["scale-4"].update(steps="30")
    params["extractors"]["digits"].update(iterations=20, least_accuracy=0.0)
    params["execution"].update(log_every=1, save_every=4)
    # Models with dropout are trained by as many processes as have a micro-batch each.
    for model in params["models"].values():
        if model.get("network", {}).get("dropout"):
            model["training"] = {**model["training"], "accumulation": 2}
    params["models"]["adm-128"]["training"].update(timestep_sampler="loss_second_moment", learning_rate=1.0e-4)
    params["segments"]["adm-128-250"]["stop"] = STOP
    return params


class Project:
    """A folder with a dataset, untrained models and a graph, in which verbs are run by several processes."""

    def __init__(self, folder, params):
        self.folder, self.params = folder, params
        self.adm("prepare", "--dataset digits --out data")
        for model in ("adm-128", "classifier-128"):
            self.adm("init", f"--model {model} --out {model}-0")

    def command(self, verb, arguments, processes=1, before=(sys.executable, "-m", "adm"), **changes):
        """The command line of a verb, whose params file says how many processes run it."""
        params = {**self.params, "resources": {**self.params["resources"]}}
        if verb in params["resources"]:
            params["resources"][verb] = {**params["resources"][verb], "processes": processes}
        params["execution"] = {**params["execution"], **changes.pop("execution", {})}
        training = {**params["models"]["adm-128"]["training"], **changes}
        params["models"] = {**params["models"], "adm-128": {**params["models"]["adm-128"], "training": training}}
        name = f"params-{verb}-{processes}-{len(list(self.folder.iterdir()))}.yaml"
        params["paths"] = {**params["paths"], "params": name}
        (self.folder / name).write_text(yaml.safe_dump(params, sort_keys=False))
        return [*before, verb, "--params", name, *arguments.split()]

    def adm(self, verb, arguments, processes=1, **changes):
        return self.run(self.command(verb, arguments, processes, **changes), succeeds=True)

    def run(self, command, succeeds):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode == 0) == succeeds, done.stderr
        return done

    def start(self, command):
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def files(self, name):
        return {path.name: path.read_bytes() for path in sorted((self.folder / name).iterdir())}

    def losses(self, log):
        with (self.folder / log).open(newline="") as file:
            rows = csv.DictReader(line for line in file if not line.startswith("#"))  # which is its seal
            return np.array([float(row["loss"]) for row in rows])


def training(out, work=None):
    work = work or out
    return f"--segment adm-128-250 --data data --previous adm-128-0 --out {out} --work work-{work} --log {out}.csv"


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    return Project(tmp_path_factory.mktemp("processes"), small_params(root))


@pytest.fixture(scope="module")
def graph(project):
    project.adm("extractor", "--extractor digits --data data --out graph")
    return "graph"


SAMPLING = "--run scale-2 --checkpoint adm-128-0 --classifier classifier-128-0"


@pytest.fixture(scope="module")
def sampled_by_one(project):
    project.adm("sample", f"{SAMPLING} --out samples-1")
    return project.files("samples-1")


def test_samples_are_the_same_bytes(project, sampled_by_one):
    project.adm("sample", f"{SAMPLING} --out samples-3", processes=3)
    assert project.files("samples-3") == sampled_by_one


def test_a_shard_may_be_sampled_by_several_processes_too(project, sampled_by_one):
    shards = [f"shard-{number}.npz" for number in (1, 2)]
    for number, shard in enumerate(shards, start=1):
        project.adm("sample", f"{SAMPLING} --shard {number}-of-2 --out {shard}", processes=number)
    project.adm("gather", f"{SAMPLING} --out gathered {' '.join(shards)}")
    assert project.files("gathered") == sampled_by_one


def test_features_are_the_same_bytes(project, graph):
    for processes in (1, 2):
        arguments = f"--extractor digits --images data --graph {graph} --out features-{processes}"
        project.adm("features", arguments, processes)
    assert project.files("features-2") == project.files("features-1")


def torchrun(processes):
    """How a verb begins that several processes run, whatever the params file says."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, "-m", "--", "adm"]


def test_torchrun_starts_the_processes_as_well(project, sampled_by_one):
    project.run(project.command("sample", f"{SAMPLING} --out by-torchrun", before=torchrun(2)), succeeds=True)
    assert project.files("by-torchrun") == sampled_by_one


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_one_and_two_go_on_sampling_where_the_other_stopped(project, before, after):
    sampling = SAMPLING.replace("scale-2", "scale-4")
    job = project.start(project.command("sample", f"{sampling} --out half", before))
    kept = wait_for(lambda: list(project.folder.glob("results/*/work/samples/scale-4/*/*/block-*.npz")), job)
    end_family(job)
    assert kept
    assert not (project.folder / "half").exists()
    project.adm("sample", f"{sampling} --out both", after)
    assert not kept[0].exists()
    project.adm("sample", f"{sampling} --out alone")
    assert project.files("both") == project.files("alone")


@pytest.fixture(scope="module")
def losses_of_one(project):
    """The losses of training by one process."""
    project.adm("train", training("by-one"))
    losses = project.losses("by-one.csv")
    assert len(losses) == STOP
    return losses


def test_two_processes_follow_the_losses_of_one_to_the_same_bytes_every_time(project, losses_of_one):
    for name in ("by-two", "by-two-again"):
        project.adm("train", training(name), processes=2)
    np.testing.assert_allclose(project.losses("by-two.csv"), losses_of_one, rtol=1e-5)
    for name in ("network", "ema", "timesteps"):
        a, b = (load_file(project.folder / out / f"{name}.safetensors") for out in ("by-one", "by-two"))
        assert list(a) == list(b)
        for key in a:
            np.testing.assert_allclose(b[key], a[key], rtol=0, atol=1e-4, err_msg=key)
    assert project.files("by-two-again") == project.files("by-two")
    assert b'"processes": 2' in project.files("by-two")["manifest.json"]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_one_and_two_go_on_where_the_other_stopped(project, losses_of_one, before, after):
    name = f"from-{before}-to-{after}"
    job = project.start(project.command("train", training(name), before))
    saved = wait_for(lambda: list((project.folder / f"work-{name}").rglob("step-000000004")), job)
    end_family(job)
    assert saved
    assert not (project.folder / name).exists()
    project.adm("train", training(name), after)
    np.testing.assert_allclose(project.losses(f"{name}.csv"), losses_of_one, rtol=1e-5)


def test_a_batch_that_cannot_be_shared_evenly_is_refused_with_the_params_file(project):
    done = project.run(project.command("train", training("uneven"), processes=3), succeeds=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "resources.train.processes: 3 does not fit models.adm-128.training: batch_size 16 in 1 micro-batches" in line


def test_a_batch_that_torchruns_processes_cannot_share_evenly_is_refused(project):
    done = project.run(project.command("train", training("uneven"), before=torchrun(3)), succeeds=False)
    assert "error: batch_size 16 in 1 micro-batches cannot be shared evenly by 3 processes" in done.stderr
    assert not (project.folder / "uneven").exists()


@pytest.mark.parametrize("file", [0, 1])
@pytest.mark.parametrize("verb", ["train", "sample"])
def test_a_file_that_changed_is_found_by_the_process_whose_turn_it_is(project, verb, file):
    folder = f"damaged-{verb}-{file}"
    shutil.copytree(project.folder / "adm-128-0", project.folder / folder)
    files = json.loads((project.folder / folder / "manifest.json").read_text())["files"]
    damaged = project.folder / folder / list(files)[file]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    arguments = training(f"of-{folder}") if verb == "train" else f"{SAMPLING} --out of-{folder}"
    done = project.run(project.command(verb, arguments.replace("adm-128-0", folder), processes=2), succeeds=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        f"error: rank {file} of 2: {damaged.relative_to(project.folder)}: is not the file that was written"
    )
    assert not (project.folder / f"of-{folder}").exists()


@pytest.fixture
def training_for_ever(project):
    """Two processes in the middle of training; what still runs at the end is killed."""
    changes = {"execution": {"save_every": 2, "timeout_seconds": 5}}
    project.params["segments"]["adm-128-250"]["stop"] = 449  # the next segment's is 450
    try:
        name = f"endless-{time.monotonic_ns()}"
        job = project.start(project.command("train", training(name), processes=2, **changes))
    finally:
        project.params["segments"]["adm-128-250"]["stop"] = STOP
    wait_for(lambda: list((project.folder / f"work-{name}").rglob("step-*")), job)
    ranks = sorted(psutil.Process(job.pid).children(), key=lambda child: child.environ()["RANK"])
    assert len(ranks) == 2
    yield job, ranks
    end_family(job, ranks)


def test_a_process_that_dies_ends_the_others_and_is_named(training_for_ever):
    job, ranks = training_for_ever
    ranks[1].kill()
    _, err = job.communicate(timeout=60)
    assert job.returncode == 2
    assert err.splitlines()[-1] == "error: rank 1 of 2: was killed by SIGKILL"
    assert not any(rank.is_running() for rank in ranks)


def test_a_process_that_hangs_is_given_up(training_for_ever):
    job, ranks = training_for_ever
    ranks[1].suspend()
    _, err = job.communicate(timeout=60)
    assert job.returncode == 2
    assert err.splitlines()[-1].startswith("error: rank 0 of 2: had no answer from another process: ")
    assert not any(rank.is_running() for rank in ranks)


def test_no_process_outlives_what_started_it(training_for_ever):
    job, ranks = training_for_ever
    job.kill()
    job.communicate()
    _, alive = psutil.wait_procs(ranks, timeout=30)
    assert alive == []


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_never_meets_the_others_says_so(rank):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
    where = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}
    code = "from adm.parallel import process_group\nwith joined('cpu', timeout_seconds=2): pass"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | where, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == LOST
    assert done.stderr.splitlines()[-1].startswith("error: had no answer from another process: ")
    assert "Traceback" not in done.stderr


def wait_for(condition, job, seconds=90):
    """Wait until a condition holds, while a job runs; return what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert job.poll() is None, f"the job ended: {job.stderr.read()}"
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def end_family(job, ranks=()):
    """Kill a job and its processes at once."""
    ranks = ranks or psutil.Process(job.pid).children()
    job.kill()
    for rank in ranks:
        with suppress(psutil.NoSuchProcess):
            rank.kill()
    if not job.stderr.closed:
        job.communicate()
    psutil.wait_procs(ranks, timeout=30)
