"""Training whose engine is killed, with its job or alone, is never done twice, and ends in the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from miniature import MANY, miniature_params

pytestmark = pytest.mark.slow

SEGMENT = "adm-128-30"
ROOT = Path("results", "embedded")
WORK = ROOT / "work" / "train" / SEGMENT
CHECKPOINT = ROOT / "checkpoints" / SEGMENT

ENGINES = {
    "snakemake": (
        ["snakemake", "--cores", "1", "--quiet", "all", "--", str(CHECKPOINT)],
        ["snakemake", "--unlock"],
    ),
    "dvc": (["dvc", "repro", f"train-{SEGMENT}"], None),
}
"""How an engine is started, and what it asks for after it was killed."""


@pytest.fixture(params=ENGINES)
def training(request, new_project, tmp_path):
    """A project, what starts its engine until it is amid training, how to start it, and what it takes before."""
    start, unlock = ENGINES[request.param]
    whole = miniature_params()
    params = {key: whole[key] for key in ("paths", "datasets")}
    params["execution"] = {"log_every": 2, "save_every": 4}
    params["models"] = {"adm-128": {**whole["models"]["adm-128"], "checkpoints": [30, 32]}}
    project = new_project(tmp_path.name, params)
    # Snakemake's jobs are forks of a process that has all libraries, however few they are.
    rules = project.folder / "workflow" / "common.smk"
    rules.write_text(rules.read_text().replace(MANY, "MANY = 1"))
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    environment |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    begun = []

    def begin():
        """Start the engine, and wait until it has trained further than before."""
        before, output = newest(project), tmp_path / f"printed-{len(begun)}"
        with output.open("w") as printed:
            engine = subprocess.Popen(
                start, cwd=project.folder, env=environment, start_new_session=True, stdout=printed, stderr=printed
            )
        begun.append(engine)
        while newest(project) <= before:
            assert engine.poll() is None, output.read_text()
            time.sleep(0.01)
        return engine

    yield project, begin, start, unlock
    for engine in begun:
        with suppress(ProcessLookupError):
            os.killpg(engine.pid, signal.SIGKILL)


def newest(project):
    """The step of the newest rolling state; 0 if there is none."""
    return max((int(path.name.removeprefix("step-")) for path in (project.folder / WORK).glob("*/step-*")), default=0)


def logged(project):
    """What the newest rolling state of a segment that is not at its end has behind it, as rows of the log."""
    (log,) = (project.folder / WORK).glob("*/log.csv")
    header, *rows = log.read_text().splitlines()
    whole = [row for row in rows if row.count(",") == header.count(",")]
    return [row for row in whole if int(row.partition(",")[0]) <= newest(project)]


def contents(folder):
    """The bytes of an artifact, without what engines leave in it."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_training_goes_on_after_its_engine_is_killed_with_it_and_is_done_once_if_it_outlives_one(
    training, children, tmp_path
):
    project, begin, start, unlock = training
    engine = begin()
    # Every process of it, as when a machine goes down or a scheduler loses patience.
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    if unlock:
        project.run(*unlock)
    rows = logged(project)
    assert len(rows) >= 2
    checkpoint, log = project.folder / CHECKPOINT, project.folder / ROOT / "training" / f"{SEGMENT}.csv"
    assert not checkpoint.exists()
    engine = begin()
    # The engine alone: the job goes on to its end.
    engine.kill()
    engine.wait()
    while any(process.info["cwd"] == str(project.folder) for process in psutil.process_iter(["cwd"])):
        time.sleep(0.05)
    made, whole = contents(checkpoint), log.read_text()
    # It went on: what the killed job logged, with its seconds, is in the log of the one that ended.
    assert whole.splitlines()[1 : len(rows) + 1] == rows
    if unlock:
        project.run(*unlock)
    # The engine knows nothing of its end, deletes the checkpoint, and asks for it again: no step is taken twice.
    project.run(*start)
    assert contents(checkpoint) == made
    # Rows tell seconds, which no second training would repeat.
    assert log.read_text() == whole
    (elsewhere := tmp_path / "elsewhere").mkdir()
    shutil.copy(project.folder / "params.yaml", elsewhere)
    for command in ("prepare digits", "init adm-128", f"train {SEGMENT}"):
        ended = children.run(*command.split(), folder=elsewhere)
        assert ended.code == 0, ended.printed
    assert made == contents(elsewhere / CHECKPOINT)
