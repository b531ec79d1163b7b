"""Jobs that are forks of a process with all libraries behave as processes of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STARTER = """
import os, sys, time
from adm import fork_server
fork_server.start("params.yaml")
while not os.path.exists(os.environ[fork_server.PLACE]):
    time.sleep(0.01)
print(os.environ[fork_server.PLACE], flush=True)
sys.stdin.read()
"""


@contextmanager
def started(folder):
    """The process that started the other, and the environment of its jobs."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, {**os.environ, "ADM_FORK_SERVER": process.stdout.readline().strip()}
        process.kill()


@pytest.fixture(scope="module")
def starter(root):
    with started(root) as found:
        yield found


def adm(*arguments, folder, environment):
    command = [sys.executable, "-m", "adm", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["check"], 0), (["check", "--params", "none.yaml"], 2)])
def test_a_fork_prints_and_ends_as_a_process_of_its_own(starter, root, arguments, code):
    _, environment = starter
    alone = adm(*arguments, folder=root, environment=os.environ)
    assert adm(*arguments, folder=root, environment=environment) == alone
    assert alone[0] == code


def test_a_fork_is_in_its_callers_folder_with_its_callers_environment(starter, root, tmp_path):
    _, environment = starter
    (tmp_path / "params.yaml").write_text("paths: {results: here}\n")
    for folder in (root, tmp_path):
        done = adm("jobs", folder=folder, environment={**environment, "COLUMNS": "40"})
        assert done == adm("jobs", folder=folder, environment={**os.environ, "COLUMNS": "40"})


@pytest.mark.parametrize("changed", ["params.yaml", "base.yaml"])
def test_a_params_file_that_has_changed_is_read_again(root, tmp_path, changed):
    shutil.copy(root / "params.yaml", tmp_path / "base.yaml")
    (tmp_path / "params.yaml").write_text("base: base.yaml\nmodels: {adm-128: {training: {seed: 7}}}\n")

    def check(environment):
        return adm("check", folder=tmp_path, environment=environment)

    with started(tmp_path) as (_, environment):
        before = check(environment)
        with (tmp_path / changed).open("a") as file:
            file.write("misspelt: {}\n")
        after = check(environment)
    assert (before[0], after[0]) == (0, 2)
    assert after == check(os.environ)


def test_without_such_a_process_a_job_starts_by_itself(root, tmp_path):
    environment = {**os.environ, "ADM_FORK_SERVER": str(tmp_path / "nobody")}
    assert adm("check", folder=root, environment=environment)[0] == 0


def test_a_job_starts_by_itself_if_such_a_process_fails_while_it_imports(root, tmp_path):
    environment = {**os.environ, "ADM_FORK_SERVER": str(tmp_path / "socket")}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(environment["ADM_FORK_SERVER"])
        listening.listen()
        command = [sys.executable, "-m", "adm", "check"]
        with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL) as job:
            listening.accept()[0].close()
            assert job.wait() == 0


@pytest.fixture(scope="module")
def begun(starter, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    params = (root / "params.yaml").read_text().replace("[125, 225, 250, 500, 1000, 2180]", "[1000000]")
    (folder / "params.yaml").write_text(params.split("references:")[0])
    for verb in (["prepare", "digits"], ["init", "adm-128"]):
        assert adm(*verb, folder=folder, environment=starter[1]) == (0, "", ""), verb
    return folder


@pytest.fixture
def long_job(starter, begun, tmp_path):
    """A job that would train for hours, by its caller; it has begun."""
    _, environment = starter
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    command = [sys.executable, "-m", "adm", "train", "adm-128-1000k"]
    with (tmp_path / "printed").open("w") as printed:
        # As in a terminal, whatever started the tests.
        caller = subprocess.Popen(
            ["env", "--default-signal=INT", *command], cwd=tmp_path, env=environment, stdout=printed, stderr=printed
        )
    journal = tmp_path / "results" / "embedded" / "logs" / "train" / "adm-128-1000k.txt"
    while not journal.exists() or "process: " not in journal.read_text():
        assert caller.poll() is None, (tmp_path / "printed").read_text()
        time.sleep(0.01)
    job = int(journal.read_text().partition("process: ")[2].split()[0])
    assert job != caller.pid
    yield caller, job, journal
    caller.kill()
    caller.wait()


def has_ended(process, seconds=20):
    end = time.monotonic() + seconds
    while Path(f"/proc/{process}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return not Path(f"/proc/{process}").exists()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_signal_to_the_caller_ends_the_job(long_job, number, code):
    caller, job, journal = long_job
    caller.send_signal(number)
    assert caller.wait(20) == code
    assert has_ended(job)
    assert ("stopped by" in journal.read_text()) == (number != signal.SIGKILL)


def test_a_job_that_is_killed_ends_its_caller(long_job):
    caller, job, _ = long_job
    os.kill(job, signal.SIGKILL)
    assert caller.wait(20) == 128 + signal.SIGKILL


def test_it_ends_with_the_process_that_started_it(starter):
    """And takes its socket away. It is the last test of the file: no other finds the process after it."""
    process, environment = starter
    place = Path(environment["ADM_FORK_SERVER"])
    assert place.exists()
    process.kill()
    end = time.monotonic() + 20
    while place.parent.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not place.parent.exists()
