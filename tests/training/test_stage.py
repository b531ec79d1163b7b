"""A segment that is interrupted goes on with its log and its state, and leaves its last state alone behind."""

import csv
import errno
import re
import shutil
import signal

import numpy as np
import pytest
import torch
from making import make, write_dataset
from safetensors.torch import load_file

import adm
from adm.data.shards import ImageShards
from adm.errors import UserError
from adm.nets.checkpoints import load_network
from adm.nets.weights import write_tensors
from adm.params.data import DatasetParams
from adm.params.models import SegmentParams
from adm.params.runs import RunParams
from adm.params.schema import ExecutionParams
from adm.sampling.batch import read_batch
from adm.sampling.guided import block_sampler, block_trajectories
from adm.stages import init, sample, train
from adm.training import loop, rolling

DATASET = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=10)
EXECUTION = ExecutionParams(log_every=3, save_every=4, timeout_seconds=60, expected_minutes=None)
STEPS = [3, 6, 9, 12, 14]
MODEL = {"batch_size": 4, "averages": [0.05, 0.1]}


class Project:
    """A folder with a dataset and an initial checkpoint, in which segments are trained."""

    def __init__(self, folder, model):
        self.folder, self.model = folder, model
        write_dataset(folder / "data", np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype(np.uint8))
        make(init, model, folder / "m-0")

    def train(self, name, previous="m-0", start=0, stop=14, model=None, work="work"):
        segment = SegmentParams(model="m", dataset="digits", previous="m-0", stop=stop)
        inputs = {"data": self.folder / "data", "previous": self.folder / previous}
        paths = {"out": name, "work": work, "log": f"logs/{name}.csv"}
        paths = {flag: self.folder / path for flag, path in paths.items()}
        make(train, segment, model or self.model, DATASET, EXECUTION, "cpu", start, inputs, **paths)

    def log(self, name):
        with (self.folder / "logs" / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(line for line in file if not line.startswith("#")))  # which is its seal

    def files(self, name):
        return {path.name: path.read_bytes() for path in (self.folder / name).iterdir()}

    def left_behind(self):
        """The rolling states, and whatever is neither state nor lock."""
        return list((self.folder / "work").glob("*/*"))


@pytest.fixture
def project(tmp_path, tiny_model):
    return Project(tmp_path, tiny_model(**MODEL))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_model):
    """A project in which the segment "whole" was trained without an interruption; tests leave it as it is."""
    made = Project(tmp_path_factory.mktemp("whole"), tiny_model(**MODEL))
    made.train("whole")
    return made


def test_from_python_the_same_images_train_the_same_weights(whole):
    shards = ImageShards(whole.folder / "data", 8)
    model = whole.model.model_dump(include={"kind", "network", "noise", "objective", "training"}, exclude_defaults=True)
    del model["training"]["averages"]  # which leave the weights as they are
    trained = adm.train(model, shards[:], shards.labels, iterations=14)
    for name, tensor in load_file(whole.folder / "whole" / "ema.safetensors").items():
        assert torch.equal(trained.network.state_dict()[name], tensor), name


@pytest.fixture
def interrupted(monkeypatch):
    """Train a segment of a project, and interrupt it when it saves its rolling state at a step, before or after."""

    def train_until(step, after, project, name="again"):
        save = train.save_rolling

        def stopped(state, folder):
            if after or state.step < step:
                save(state, folder)
            if state.step == step:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(train, "save_rolling", stopped)
            with pytest.raises(KeyboardInterrupt):
                project.train(name)

    return train_until


def steps_of(rows):
    return [int(row["step"]) for row in rows]


def test_the_last_state_stays_in_the_bytes_of_the_checkpoint(whole):
    (state,) = whole.left_behind()
    assert state.name == "step-000000014"
    checkpoint = {path.name: path.stat().st_ino for path in (whole.folder / "whole").iterdir()}
    kept = {path.name: path.stat().st_ino for path in state.iterdir()}
    assert kept.keys() - checkpoint.keys() == {"hashes.json", "log.csv"}
    assert checkpoint.keys() - kept.keys() == {"manifest.json"}
    assert all(kept[name] == checkpoint[name] for name in kept.keys() & checkpoint.keys())


def test_a_checkpoint_that_an_engine_deleted_is_there_again_without_a_step(project, monkeypatch):
    project.train("whole")
    files, rows = project.files("whole"), project.log("whole")
    shutil.rmtree(project.folder / "whole")
    (project.folder / "logs" / "whole.csv").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", None)
        project.train("whole")
    assert (project.files("whole"), project.log("whole")) == (files, rows)


@pytest.mark.parametrize(("step", "after"), [(4, True), (8, False), (12, True)])
def test_an_interrupted_segment_goes_on_with_its_log(project, whole, interrupted, step, after):
    interrupted(step, after, project)
    assert not (project.folder / "again").exists()
    assert not (project.folder / "logs" / "again.csv").exists()
    (growing,) = (project.folder / "work").glob("*/log.csv")
    reached = step if after else step - 4
    with growing.open(newline="") as file:
        earlier = [row for row in csv.DictReader(file) if int(row["step"]) <= reached]
    # Whatever a failing disk makes of it: what goes on is the copy beside the state.
    growing.write_bytes(b"\xff" * 100)

    project.train("again")
    rows = project.log("again")
    assert steps_of(rows) == STEPS
    assert rows[: len(earlier)] == earlier
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    losses, expected = ({row["step"]: row["loss"] for row in found} for found in (rows, whole.log("whole")))
    # A row that spans the interruption is a mean of fewer steps.
    untouched = [row for row in STEPS if not row - 3 < reached < row]
    assert len(untouched) >= 4
    assert [losses[str(row)] for row in untouched] == [expected[str(row)] for row in untouched]
    assert project.files("again") == whole.files("whole")
    assert [path.name for path in project.left_behind()] == ["step-000000014"]


def test_a_segment_with_other_params_begins_anew_with_a_log_of_its_own(project, interrupted, tiny_model):
    interrupted(8, True, project)
    slower = tiny_model(**MODEL, learning_rate=1e-4)
    make(init, slower, project.folder / "m-0")
    project.train("again", model=slower)
    project.train("fresh", model=slower, work="elsewhere")
    assert [row["loss"] for row in project.log("again")] == [row["loss"] for row in project.log("fresh")]
    assert project.files("again") == project.files("fresh")


def test_rows_of_an_abandoned_try_never_enter_a_log_that_begins_later(project, interrupted):
    project.train("m-7", stop=7)
    interrupted(12, True, project, "m-14")
    project.train("m-14", previous="m-7", start=7)
    assert steps_of(project.log("m-14")) == [9, 12, 14]


@pytest.fixture
def each_step(monkeypatch):
    """Have a function called with the number of each step, after it."""

    def prepare(function):
        step_of = loop.train_step

        def stepped(state, *args):
            report = step_of(state, *args)
            function(report.step)
            return report

        monkeypatch.setattr(loop, "train_step", stepped)

    yield prepare
    monkeypatch.undo()


def newest_of(project):
    return max(int(path.name.removeprefix("step-")) for path in project.left_behind() if path.is_dir())


@pytest.fixture
def heeded():
    """Ctrl-C as in a terminal; who starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_segment_that_is_told_to_stop_keeps_the_step_and_goes_on_from_it(
    project, whole, each_step, monkeypatch, number
):
    before = signal.getsignal(number)
    each_step(lambda step: step == 6 and signal.raise_signal(number))
    with pytest.raises(SystemExit) as stopped:
        project.train("again")
    assert stopped.value.code == 128 + number
    assert newest_of(project) == 6
    assert signal.getsignal(number) == before
    monkeypatch.undo()
    project.train("again")
    assert project.files("again") == whole.files("whole")
    assert steps_of(project.log("again")) == STEPS


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize(
    ("first", "second", "ends", "kept"),
    [
        (signal.SIGINT, signal.SIGINT, KeyboardInterrupt, 4),
        # A scheduler's second signal lets the saving end.
        (signal.SIGTERM, signal.SIGTERM, SystemExit, 6),
        (signal.SIGTERM, signal.SIGUSR1, SystemExit, 6),
    ],
)
def test_a_second_signal_while_the_state_is_saved_loses_nothing_that_was(
    project, whole, each_step, monkeypatch, first, second, ends, kept
):
    each_step(lambda step: step == 6 and signal.raise_signal(first))
    copy = shutil.copyfile

    def interrupted(source, target):
        if "step-000000006" in str(target):
            signal.raise_signal(second)
        copy(source, target)

    monkeypatch.setattr(rolling.shutil, "copyfile", interrupted)
    with pytest.raises(ends) as stopped:
        project.train("again")
    assert ends is KeyboardInterrupt or stopped.value.code == 128 + first
    assert newest_of(project) == kept
    monkeypatch.undo()
    project.train("again")
    assert project.files("again") == whole.files("whole")


def test_a_full_disk_while_a_state_is_saved_loses_nothing_that_was(project, whole, monkeypatch):
    def full(path, *args):
        if int(re.search(r"step-(\d+)", str(path))[1]) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_tensors(path, *args)

    with monkeypatch.context() as patched:
        patched.setattr("adm.training.state.write_tensors", full)
        with pytest.raises(UserError, match="step-000000008: cannot be made: No space left on device"):
            project.train("again")
    assert newest_of(project) == 4
    project.train("again")
    assert project.files("again") == whole.files("whole")


def test_a_state_is_saved_when_none_was_for_some_minutes(project, each_step, monkeypatch):
    """An hour passes in the tenth step."""
    clock = [0.0]
    monkeypatch.setattr(train.time, "monotonic", lambda: clock[0])

    def step_of(step):
        clock[0] += 3600 * (step == 10)
        if step == 11:
            raise KeyboardInterrupt

    each_step(step_of)
    with pytest.raises(KeyboardInterrupt):
        project.train("again")
    assert newest_of(project) == 10


def test_a_segment_from_a_checkpoint_of_another_iteration_is_refused(project):
    project.train("m-7", stop=7)
    with pytest.raises(UserError, match="m-7"):
        project.train("m-14", previous="m-7", start=6)
    assert not (project.folder / "m-14").exists()
    assert not (project.folder / "logs" / "m-14.csv").exists()


@pytest.mark.parametrize("kind", ["diffusion", "upsampler", "classifier"])
def test_grey_models_train_on_one_channel(tmp_path, tiny_model, kind):
    grey = Project(tmp_path, tiny_model(kind, batch_size=4, image_channels=1))
    grey.train("m-4", stop=4)
    entrance = load_file(tmp_path / "m-4" / "ema.safetensors")["encoder.blocks.0.convolution.weight"]
    assert entrance.shape[1] == (2 if kind == "upsampler" else 1)
    assert "loss" in grey.log("m-4")[0]


def test_a_chain_ends_in_the_bytes_of_one_segment(project, whole):
    project.train("m-7", stop=7)
    project.train("m-14", previous="m-7", start=7)
    one, chained = whole.files("whole"), project.files("m-14")
    assert one.keys() == chained.keys()
    assert {name for name in one if one[name] != chained[name]} <= {"manifest.json"}


def test_a_run_is_sampled_from_the_average_that_it_asks_for(whole, tmp_path):
    inputs, images = {"checkpoint": whole.folder / "whole"}, {}
    for length in (None, 0.05, 0.1):
        section = RunParams(
            checkpoint="m-14", ema_length=length, steps="3", num_samples=4, micro_batch=4, reference="any"
        )
        out = tmp_path / f"samples-{length}"
        make(sample, section, whole.model, None, inputs, out, "cpu", 60, tmp_path / "work")
        network = load_network(inputs["checkpoint"], whole.model, ema_length=length)
        wanted = block_sampler(block_trajectories(section, whole.model, network, None, 2))(0)
        images[length] = read_batch(out).images
        assert np.array_equal(images[length], wanted.images)
    assert len({found.tobytes() for found in images.values()}) == 3
