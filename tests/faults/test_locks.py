"""Two engines in one folder: the second says who holds the lock; what a kill leaves behind goes with one command."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from miniature import miniature_params

pytestmark = pytest.mark.xdist_group("locks")

ENGINES = {
    "snakemake": ["snakemake", "--cores", "1", "--quiet", "rules", "--rerun-incomplete", "results/embedded/data/digits"],
    # Without --force DVC takes from its cache what it made before.
    "dvc": ["dvc", "repro", "--force", "prepare@digits"],
}

WAITING = """    from time import sleep

    Path("started").touch()
    while not Path("go").exists():
        sleep(0.05)
"""


@pytest.fixture(scope="module")
def project(new_project):
    """A project whose stage `prepare` waits until the file "go" is there."""
    project = new_project("locks", miniature_params())
    stage = project.folder / "adm" / "stages" / "prepare.py"
    line = "    libraries = ["
    assert stage.read_text().count(line) == 1
    stage.write_text(stage.read_text().replace(line, WAITING + line))
    return project


@pytest.fixture
def data(project):
    """The folder that `prepare` makes, gone, and the project as it is before anything ran."""
    data = project.folder / "results" / "embedded" / "data" / "digits"
    project.run("rm", "-rf", "go", "started", str(data))
    return data


@contextmanager
def started(project, engine):
    """An engine amid the stage `prepare`, in a process group of its own."""
    with subprocess.Popen(
        ENGINES[engine],
        cwd=project.folder,
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
    return project.run(sys.executable, "workflow/locks.py", succeeds=succeeds)


@pytest.mark.parametrize("second", ENGINES)
@pytest.mark.parametrize("first", ENGINES)
def test_the_second_says_that_the_first_holds_the_lock(project, data, first, second):
    with started(project, first) as process:
        printed = project.run(*ENGINES[second], succeeds=False)
        still = unlock(project, succeeds=False)
        assert not data.exists()
    assert process.returncode == 0
    assert (data / "manifest.json").is_file()
    if first == second == "snakemake":
        assert "Directory cannot be locked" in printed
    else:
        (line,) = [line for line in printed.splitlines() if f"(PID {process.pid})" in line]
        assert first in line
    assert still.startswith("unlock: ")
    assert f"(PID {process.pid}) and " in still
    assert still.count("\n") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_unlock_takes_away_what_a_kill_leaves(project, data, engine):
    with started(project, engine) as process:
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
    before = {path: path.read_bytes() for path in data.iterdir()}
    # Where nothing is locked it does no harm.
    unlock(project)
    assert {path: path.read_bytes() for path in data.iterdir()} == before


def test_other_results_are_not_locked(project, data):
    """Two scales may run side by side."""
    params = (project.folder / "params.yaml").read_text()
    other = params.replace("params: params.yaml", "params: other.yaml").replace("results/embedded", "results/other")
    (project.folder / "other.yaml").write_text(other)
    with started(project, "dvc"):
        (project.folder / "go").touch()
        project.snakemake("--quiet", "rules", "--configfile", "other.yaml", "--", "results/other/data/digits")
