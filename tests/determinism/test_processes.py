"""Several processes of a job: the same samples and features, the same training up to rounding, none left behind."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from children import Children
from damage import flip
from miniature import ROOT, TIMEOUT, miniature_params, warmed
from safetensors.numpy import load_file

from adm.fork_server import PLACE
from adm.parallel import LOST

# All on one of the test runner's processes: they share what is made for them, and each takes several processes itself.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]

SAMPLES, MICRO_BATCH = 23, 5
"""Five blocks, so that neither two nor three processes have as many each; the last one is cut."""

STOP = 8
SEGMENT, ENDLESS = f"adm-128-{STOP}", "adm-128-9999"
INPUTS = ("data/digits", "checkpoints/adm-128-0", "checkpoints/classifier-0")


def small_params():
    """The miniature's models, with little to sample and little to train."""
    whole = miniature_params()
    params = {key: whole[key] for key in ("datasets", "extractors")}
    params["execution"] = {"log_every": 1, "save_every": 4}
    params["references"] = {"digits": whole["references"]["digits"]}
    params["models"] = {key: whole["models"][key] for key in ("adm-128", "classifier")}
    params["models"]["adm-128"]["checkpoints"] = [STOP, 9999]
    params["models"]["adm-128"]["training"].update(learning_rate=1.0e-4)
    run = {"checkpoint": "adm-128-0", "classifier": "classifier-0", "gradient_scale": 2.0}
    run |= {"num_samples": SAMPLES, "micro_batch": MICRO_BATCH}
    params["runs"] = {"short": {**run, "steps": "3"}, "long": {**run, "steps": "30"}}
    return params


class Begun:
    """A verb that runs as one of the children: what is used of `subprocess.Popen`; stdout and stderr are one."""

    stderr = None

    def __init__(self, children, command, folder):
        self.children = children
        self.pid = children.begin(*command, folder=folder)
        self.process = psutil.Process(self.pid)
        self.returncode = None

    def poll(self):
        return None if self.process.is_running() else self.wait()

    def wait(self):
        if self.returncode is None:
            ended = self.children.end()
            self.returncode, self.printed = ended.code, ended.printed
        return self.returncode

    def communicate(self, timeout=None):
        self.process.wait(timeout)
        self.wait()
        return "", self.printed

    def send_signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()


class Project:
    """A folder with a dataset, untrained models and a graph, in which verbs are run by several processes.

    Each results folder but the first begins with the inputs of the first one, so that verbs run next to one another.
    A command in the environment `forks` is a fork of a process that has imported the libraries, and starts processes
    anew. `children` have this environment: what they start is such a fork.
    """

    def __init__(self, folder, params, children, forks):
        self.folder, self.params, self.children, self.forks = folder, params, children, forks
        for words in ("prepare digits", "init adm-128", "init classifier"):
            self.adm("first", words)

    def command(self, results, words, processes=1, before=(sys.executable, "-m", "adm"), nodes=1, **execution):
        """The command line of a verb, whose params file says where results lie and how many processes run it."""
        verb, *rest = words.split()
        params = {**self.params, "paths": {"results": f"results/{results}"}}
        params["resources"] = {verb: {"nodes": nodes, "processes": processes}} if nodes * processes > 1 else {}
        params["execution"] = {**params["execution"], **execution}
        file = self.folder / f"{results}-{processes}.yaml"
        file.write_text(yaml.safe_dump(params, sort_keys=False))
        if not self.at(results).exists() and results != "first":
            for path in INPUTS:
                shutil.copytree(self.at("first") / path, self.at(results) / path)
        return [*before, verb, *rest, "--params", file.name]

    def at(self, results):
        """Where a results folder lies."""
        return self.folder / "results" / results

    def adm(self, results, words, processes=1, nodes=1, code=0, **execution):
        """Run a verb to its end, and return what it printed; none of its processes imports the libraries anew."""
        command = self.command(results, words, processes, (), nodes, **execution)
        ended = self.children.run(*command, folder=self.folder)
        assert ended.code == code, ended.printed
        return ended.printed

    def begin(self, results, words, processes=1, **execution):
        """Start a verb as one of the children."""
        command = self.command(results, words, processes, (), **execution)
        return Begun(self.children, command, self.folder)

    def start(self, command, environment):
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def family(self, **environment):
        """All processes that run in the folder, or that were started there with some variables.

        A fork was started with none; what waits for it, and hands on signals, was.
        """
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # it has ended, or is another's
                if process.cwd() == str(self.folder) and environment.items() <= process.environ().items():
                    found.append(process)
        return found

    def files(self, name):
        return {path.name: path.read_bytes() for path in sorted(self.at(name).iterdir())}

    def losses(self, results):
        with (self.at(results) / "training" / f"{SEGMENT}.csv").open(newline="") as file:
            rows = csv.DictReader(line for line in file if not line.startswith("#"))  # which is its seal
            return np.array([float(row["loss"]) for row in rows])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with warmed(ROOT, tmp_path_factory.mktemp("warm")) as forks:
        children = Children(tmp_path_factory.mktemp("children"), forks)
        yield Project(tmp_path_factory.mktemp("processes"), small_params(), children, forks)
        children.close()


def test_samples_are_the_same_bytes(project):
    for results, processes in (("one", 1), ("three", 3)):
        project.adm(results, "sample short", processes)
    assert project.files("three/samples/short") == project.files("one/samples/short")


def test_features_are_the_same_bytes(project):
    project.adm("first", "extractor digits")
    for processes in (1, 2):
        results = f"features-{processes}"
        shutil.copytree(project.at("first") / "extractors", project.at(results) / "extractors")
        shutil.copytree(project.at("first") / "data", project.at(results) / "data")
        project.adm(results, "features dataset/digits", processes)
    assert project.files("features-2/features/dataset/digits") == project.files("features-1/features/dataset/digits")


def test_one_goes_on_sampling_where_two_stopped(project):
    project.adm("long", "sample long")
    results = "long-2-1"
    job = project.begin(results, "sample long", processes=2)
    kept = wait_for(lambda: list((project.at(results) / "work").rglob("block-*.npz")), job)
    end_family(project, job)
    assert kept
    assert not (project.at(results) / "samples").exists()
    project.adm(results, "sample long")
    assert not kept[0].exists()
    assert project.files(f"{results}/samples/long") == project.files("long/samples/long")


@pytest.fixture(scope="module")
def losses_of_one(project):
    """The losses of training by one process."""
    project.adm("by-one", f"train {SEGMENT}")
    losses = project.losses("by-one")
    assert len(losses) == STOP
    return losses


@pytest.fixture(scope="module")
def trained_by_two(project):
    """The checkpoint of training by two processes of one node."""
    project.adm("by-two", f"train {SEGMENT}", processes=2)
    return project.files(f"by-two/checkpoints/{SEGMENT}")


def test_two_processes_follow_the_losses_of_one(project, losses_of_one, trained_by_two):
    """To the same bytes every time, as two nodes show below."""
    np.testing.assert_allclose(project.losses("by-two"), losses_of_one, rtol=1e-5)
    for name in ("network", "ema"):
        file = Path("checkpoints", SEGMENT, f"{name}.safetensors")
        a, b = (load_file(project.at(results) / file) for results in ("by-one", "by-two"))
        assert list(a) == list(b)
        for key in a:
            np.testing.assert_allclose(b[key], a[key], rtol=0, atol=1e-4, err_msg=key)
    assert b'"processes": 2' in trained_by_two["manifest.json"]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_one_and_two_go_on_where_the_other_stopped(project, losses_of_one, before, after):
    results = f"from-{before}-to-{after}"
    job = project.begin(results, f"train {SEGMENT}", before)
    saved = wait_for(lambda: list((project.at(results) / "work").glob("train/*/*/step-000000004")), job)
    end_family(project, job)
    assert saved
    assert not (project.at(results) / "checkpoints" / SEGMENT).exists()
    project.adm(results, f"train {SEGMENT}", after)
    np.testing.assert_allclose(project.losses(results), losses_of_one, rtol=1e-5)


def test_a_batch_that_cannot_be_shared_evenly_is_refused_with_the_params_file(project):
    (line,) = project.adm("uneven", f"train {SEGMENT}", processes=3, code=2).splitlines()
    assert "resources.train.processes: 3 does not fit models." in line


@pytest.mark.parametrize(("words", "file"), [(f"train {SEGMENT}", 0), ("sample short", 1)])
def test_a_file_that_changed_is_found_by_the_process_whose_turn_it_is(project, words, file):
    results = f"damaged-{words.split()[0]}-{file}"
    project.command(results, words)
    checkpoint = project.at(results) / "checkpoints" / "adm-128-0"
    files = json.loads((checkpoint / "manifest.json").read_text())["files"]
    damaged = checkpoint / list(files)[file]
    flip(damaged)
    assert (
        project.adm(results, words, processes=2, code=2)
        .splitlines()[-1]
        .startswith(f"error: rank {file} of 2: {damaged.relative_to(project.folder)}: is not the file that was written")
    )
    assert not (project.at(results) / "samples").exists()
    assert not (checkpoint.with_name(SEGMENT)).exists()


@pytest.fixture
def training_for_ever(project, losses_of_one, request):
    """Two processes in the middle of training, started anew or as forks; what still runs at the end is killed."""
    results = f"endless-{time.monotonic_ns()}"
    verb, limits = (results, f"train {ENDLESS}", 2), {"save_every": 2, "timeout_seconds": 5}
    command = project.command(*verb, **limits)
    trained = Path("checkpoints", SEGMENT)
    shutil.copytree(project.at("by-one") / trained, project.at(results) / trained)
    are_forks = getattr(request, "param", "anew") == "forks"
    job = project.begin(*verb, **limits) if are_forks else project.start(command, project.forks)
    try:
        # Not rglob: it would walk into folders that training removes meanwhile.
        wait_for(lambda: list((project.at(results) / "work").glob("train/*/*/step-*")), job)
        ranks = [process for number in "01" for process in project.family(RANK=number)]
        assert len(ranks) == 2
        yield job, ranks
    finally:
        end_family(project, job)


@pytest.mark.parametrize("training_for_ever", ["forks"], indirect=True)
def test_a_process_that_dies_ends_the_others_and_is_named(training_for_ever):
    job, ranks = training_for_ever
    ranks[1].kill()
    _, err = job.communicate(timeout=TIMEOUT)
    assert job.returncode == 2
    assert err.splitlines()[-1] == "error: rank 1 of 2: was killed by SIGKILL"
    assert not any(rank.is_running() for rank in ranks)


@pytest.mark.parametrize("training_for_ever", ["forks"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_launcher_that_is_told_to_stop_has_its_processes_save_one_step(training_for_ever, project, number):
    job, ranks = training_for_ever
    job.send_signal(number)
    _, err = job.communicate(timeout=TIMEOUT)
    assert job.returncode == 128 + number
    told = re.match(rf"stopped by {number.name} at iteration (\d+) of 9999", err.splitlines()[-1])
    assert list(project.folder.glob(f"results/endless-*/work/train/{ENDLESS}/*/step-{int(told[1]):09d}"))
    assert not any(rank.is_running() for rank in ranks)


def test_a_process_that_hangs_is_given_up(training_for_ever):
    job, ranks = training_for_ever
    ranks[1].suspend()
    _, err = job.communicate(timeout=TIMEOUT)
    assert job.returncode == 2
    assert err.splitlines()[-1].startswith("error: rank 0 of 2: had no answer from another process: ")
    assert not any(rank.is_running() for rank in ranks)


def test_no_process_outlives_what_started_it(training_for_ever):
    job, ranks = training_for_ever
    job.kill()
    job.wait()
    _, alive = psutil.wait_procs(ranks, timeout=30)
    assert alive == []


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_never_meets_the_others_says_so(rank):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
    where = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}
    code = "from adm.parallel import process_group\nwith process_group('cpu', timeout_seconds=2): pass"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | where, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == LOST
    assert done.stderr.splitlines()[-1].startswith("error: had no answer from another process: ")
    assert "Traceback" not in done.stderr


def test_several_nodes_without_slurm_are_refused_with_the_line_that_starts_them(project, trained_by_two):
    (line,) = project.adm("by-hand", f"train {SEGMENT}", nodes=2, code=2).splitlines()
    assert line.startswith("error: resources.train.nodes: ")
    words = re.search(r"`(torchrun .*?)`", line)[1].split()
    with socket.create_server(("127.0.0.1", 0)) as free:
        words[words.index("FIRST_NODE:29500")] = f"127.0.0.1:{free.getsockname()[1]}"
    # Each under an address of its own, as two machines have.
    starts = [[words[0], "--local-addr", f"127.0.0.{node}", *words[1:]] for node in (1, 2)]
    jobs = [project.start(command, project.forks) for command in starts]
    for job in jobs:
        _, err = job.communicate(timeout=TIMEOUT)
        assert job.returncode == 0, err
    assert project.files(f"by-hand/checkpoints/{SEGMENT}") == trained_by_two


SRUN = f"""#!{sys.executable}
import itertools, os, subprocess, sys
command = list(itertools.dropwhile(lambda word: word.startswith("--"), sys.argv[1:]))
known = {{**os.environ, "SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1", "{PLACE}": os.environ["FORKS"]}}
jobs = [subprocess.Popen(command, env={{**known, "SLURMD_NODENAME": node}}) for node in ("node1", "node2")]
sys.exit(max(abs(job.wait()) for job in jobs))
"""
"""A stand-in for srun: both nodes are this machine, and a call that fails does not end the other.

The calls are forks, as what called it is; the processes that they start are none.
"""


@pytest.fixture
def within_slurm(project):
    """The environment of a job of Slurm that has two nodes."""
    stand_in = project.folder / "bin" / "srun"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(SRUN)
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"
    forks = {**project.forks, "FORKS": project.forks[PLACE]}
    return {**forks, "PATH": path, "SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "2"}


def test_two_nodes_of_slurm_make_the_same_bytes_as_one(project, trained_by_two, within_slurm):
    job = project.start(project.command("by-srun", f"train {SEGMENT}", nodes=2), within_slurm)
    _, err = job.communicate(timeout=TIMEOUT)
    assert job.returncode == 0, err
    assert project.files(f"by-srun/checkpoints/{SEGMENT}") == trained_by_two


@pytest.mark.parametrize("lost", ["node1", "node2"])
def test_a_node_that_dies_ends_the_job_within_a_minute_and_is_named(project, within_slurm, lost):
    results = f"without-{lost}"
    command = project.command(results, f"train {SEGMENT}", nodes=2, timeout_seconds=600)
    job = project.start(command, within_slurm)
    assert wait_for(lambda: list((project.at(results) / "work").glob("train/*/*/step-000000004")), job)
    gone = project.family(SLURMD_NODENAME=lost)
    ranks = [process.environ()["RANK"] for process in gone if "RANK" in process.environ()]
    for process in gone:
        with suppress(psutil.NoSuchProcess):  # it ends with its launcher, and a fork with what waits for it
            process.kill()
    _, err = job.communicate(timeout=60)
    assert job.returncode == 2
    (line,) = [line for line in err.splitlines() if "error: " in line]
    assert line.startswith(f"error: rank {1 - int(*ranks)} of 2: had no answer from another process: ")
    assert not (project.at(results) / "checkpoints" / SEGMENT).exists()


def wait_for(condition, job, seconds=TIMEOUT):
    """Wait until a condition holds, while a job runs; return what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert job.poll() is None, f"the job ended: {job.communicate()[1]}"
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def end_family(project, job):
    """Kill a job and its processes at once."""
    for process in project.family():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if job.returncode is None or (job.stderr and not job.stderr.closed):
        job.communicate()
    end = time.monotonic() + 30
    while project.family():
        assert time.monotonic() < end
        time.sleep(0.01)
