"""Two engines in one folder: the second says who holds the lock; what a kill leaves behind goes with one command."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import import_module

import pytest
from miniature import miniature_params, warmed

from adm.errors import UserError
from adm.fork_server import PLACE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("locks")]

DATA = "results/embedded/data/digits"
ENGINES = {
    "snakemake": ["snakemake", "--cores", "1", "--quiet", "rules", "--", DATA],
    # Without --force DVC takes from its cache what it made before.
    "dvc": ["dvc", "repro", "--force", "prepare-digits"],
}

WAITING = """    from time import sleep

    Path("started").touch()
    while not Path("go").exists():
        sleep(0.05)
"""


@pytest.fixture(scope="module")
def project(new_project, tmp_path_factory):
    """A project whose stage `prepare` waits until the file "go" is there; jobs are forks of one process."""
    whole = miniature_params()
    project = new_project("locks", {key: whole[key] for key in ("paths", "datasets")})
    stage = project.folder / "adm" / "stages" / "prepare.py"
    line = "    source, alike = looked_at("
    assert stage.read_text().count(line) == 1
    stage.write_text(stage.read_text().replace(line, WAITING + line))
    with warmed(project.folder, tmp_path_factory.mktemp("warm"), project.environment) as project.environment:
        yield project


@pytest.fixture
def locks(project, monkeypatch):
    """The module of `make unlock` and `make clean`, in the project's folder; it imports DVC."""
    monkeypatch.chdir(project.folder)
    return import_module("locks")


@pytest.fixture
def data(project):
    """The folder that `prepare` makes, gone, and the project as it is before anything ran."""
    data = project.folder / DATA
    project.run("rm", "-rf", "go", "started", str(data))
    return data


@contextmanager
def started(project, command, folder="."):
    """An engine, or whatever a command starts, amid the stage `prepare`, in a process group of its own."""
    with subprocess.Popen(
        command,
        cwd=project.folder / folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as process:
        try:
            while not (project.folder / "started").exists():
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.05)
            yield process
        finally:
            (project.folder / "go").touch()
            process.wait()


def unlock(project, succeeds=True):
    return project.run(sys.executable, "workflow/locks.py", "unlock", succeeds=succeeds)


# Two of Snakemake meet its own lock and two of DVC that one's, which are not ours to test.
@pytest.mark.parametrize(("first", "second"), [("snakemake", "dvc"), ("dvc", "snakemake")])
def test_the_second_says_that_the_first_holds_the_lock(project, data, first, second):
    with started(project, ENGINES[first]) as process:
        # One that is let in waits like the first.
        printed = project.run("timeout", "60", *ENGINES[second], succeeds=False)
        still = unlock(project, succeeds=False)
        assert not data.exists()
    assert process.returncode == 0
    assert (data / "manifest.json").is_file()
    (line,) = [line for line in printed.splitlines() if f"(PID {process.pid})" in line]
    assert first in line
    assert still.startswith("unlock: ")
    assert f"(PID {process.pid}) and " in still
    assert still.count("\n") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_unlock_takes_away_what_a_kill_leaves(project, data, engine, monkeypatch):
    # A fork ends some time after its caller, and is in no process group of the engine.
    monkeypatch.delitem(project.environment, PLACE)
    with started(project, ENGINES[engine]) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        # The stage lives on without its engine.
        assert "-m adm prepare" in unlock(project, succeeds=False)
        os.killpg(process.pid, signal.SIGKILL)
    assert not data.exists()
    if engine == "snakemake":
        assert "Directory cannot be locked" in project.run(*ENGINES[engine], succeeds=False)
    unlock(project)
    project.run(*ENGINES[engine])
    assert (data / "manifest.json").is_file()


def test_other_results_are_not_locked(project, data):
    """Two scales may run side by side."""
    params = (project.folder / "params.yaml").read_text()
    (project.folder / "other.yaml").write_text(params.replace("results/embedded", "results/other"))
    with started(project, ENGINES["dvc"]):
        (project.folder / "go").touch()
        project.snakemake("--quiet", "rules", "--configfile", "other.yaml", "--", "results/other/data/digits")


BY_HAND = ["prepare", "digits"]
ELSEWHERE = {
    "DVC, in a folder of the project": (["dvc", "repro", "--force", "../../dvc.yaml:prepare-digits"], "scales/fashion"),
    "a stage by hand": ([sys.executable, "-u", "-m", "adm", *BY_HAND], "."),
    "a stage by torchrun": (["torchrun", "--nproc-per-node", "1", "-m", "--", "adm", *BY_HAND], "."),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_whatever_makes_results_is_seen(project, locks, data, what):
    command, folder = ELSEWHERE[what]
    (project.folder / folder).mkdir(parents=True, exist_ok=True)
    with started(project, command, folder) as process:
        assert any(f"(PID {process.pid})" in told for told in locks.at_work())
    assert process.returncode == 0
    assert (data / "manifest.json").is_file()
    assert locks.at_work() == []


def test_what_an_interrupted_job_left_stays_while_anything_runs(project, data):
    left = [project.folder / "results" / scale / "work" for scale in ("embedded", "other")]
    for path in left:
        path.mkdir(parents=True, exist_ok=True)
    with started(project, ELSEWHERE["a stage by hand"][0]) as process:
        for target in ("unlock", "clean"):
            printed = project.make(target, succeeds=False)
            assert f"{target}: " in printed
            assert f"(PID {process.pid})" in printed
        assert all(path.is_dir() for path in left)
    project.make("clean")
    assert not any(path.exists() for path in left)
    assert (data / "manifest.json").is_file()


def test_a_record_that_a_kill_cut_off_is_named_and_goes_with_unlock(project, locks, data):
    (project.folder / "go").touch()
    project.run(*ENGINES["snakemake"])
    before = {path: path.read_bytes() for path in data.iterdir()}
    assert data / "manifest.json" in before
    record = project.folder / ".dvc" / "tmp" / "rwlock"
    for left in ("[]", '{"write": {"'):
        record.write_text(left)
        with pytest.raises(UserError, match=r"^\.dvc/tmp/rwlock: .*`make unlock`"):
            locks.hold("results/embedded")
    assert ".dvc/tmp/rwlock: " in project.make("clean", succeeds=False)
    unlock(project)
    assert not record.exists()
    assert {path: path.read_bytes() for path in data.iterdir()} == before
