"""Artifacts appear whole or not at all: on full, failing and read-only disks, and whenever their writer is killed."""

import errno
import os
import random
import shutil

import numpy as np
import pytest
from children import KILLED, Fault
from making import write_batch
from miniature import miniature_params

from adm.artifacts.manifest import MANIFEST
from adm.artifacts.seal import read_sealed_json, write_sealed_json
from adm.params import load
from adm.pipeline import Pipeline

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("ADM_WRITES_SEED", "7"))
"""Of the calls that fail; another one is given by the environment."""

RESULTS = "results"

VERBS = {
    "npy": ("prepare digits", "data/digits", [""]),
    "safetensors": ("init adm-128", "checkpoints/adm-128-0", [""]),
    "npz": ("sample scale-0", "samples/scale-0", [""]),
    "json": ("sizes", "sizes", [".json"]),
    "tables": ("table table_14", "tables/table_14", [".csv", ".md", ".tex", ".html", ".json"]),
}
"""A verb of each kind of file, what it writes in the results folder, and the endings of that."""

READ = {"npz": "checkpoints"}
"""What a verb reads there."""

ALONE = {"npy": (), "safetensors": ("adm-128",), "json": ("adm-64",)}
"""The models of verbs that need nothing else of the params file."""

FOLDERS = ("npy", "safetensors", "npz")
OLD = b"what stood here before"


class Writing:
    """A verb that writes into a folder in which something stands already; its journal, which does too, is left out."""

    def __init__(self, children, kind, inputs, folder, project):
        self.children, self.folder, self.project = children, folder, project
        command, out, endings = VERBS[kind]
        self.is_folder = kind in FOLDERS
        self.command = command.split()
        written = [folder / f"{out}{ending}" for ending in endings]
        self.place = written[0].parent
        self.paths = [self._seen(path) for path in written]
        if kind in READ:
            self._seen(folder / READ[kind]).symlink_to(inputs / RESULTS / READ[kind])

    def _seen(self, path):
        return self.children.seen(path) if self.children.namespace else path

    def run(self, nth=None, error=0):
        """Run the verb, under a fault or not."""
        fault = None if nth is None else Fault(str(self.place), nth, error)
        return self.children.run(*self.command, folder=self.project, fault=fault, journalled=False)

    def put_old(self):
        """Have something else stand in its place."""
        for path in self.paths:
            if path.is_dir():
                shutil.rmtree(path)
            if self.is_folder:
                path.mkdir(parents=True)
                (path / "old").write_bytes(OLD)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(OLD)

    def contents(self):
        """Everything in the folder, what is hidden too."""
        files = sorted(path for path in self.paths[0].parent.rglob("*") if path.is_file())
        return {str(path.relative_to(self.paths[0].parent)): path.read_bytes() for path in files}

    def artifacts(self):
        """What is not hidden."""
        return {name: file for name, file in self.contents().items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def inputs(children, write_params, tmp_path_factory):
    """Results with two checkpoints and a batch of samples."""
    folder = tmp_path_factory.mktemp("inputs")
    write_params(folder, miniature_params() | {"paths": {"results": str(folder / RESULTS)}})
    pipeline = Pipeline(load(folder / "params.yaml"))
    for name, path in pipeline.find("sample", "scale-0").inputs.items():
        model = {"checkpoint": "adm-128", "classifier": "classifier"}[name]
        assert children.run("init", model, folder=folder).code == 0
        path.with_name(f"{model}-0").rename(path)
        # As if it were trained, from what is gone since.
        record = read_sealed_json(path / MANIFEST) | {"stage": "train", "params": pipeline.makers[path].values}
        write_sealed_json(path / MANIFEST, record)
    section, samples = pipeline.params.runs["scale-2"], pipeline.path("sample", "scale-2")
    images = np.zeros((section.num_samples, 8, 8, 3), np.uint8)
    samples.parent.mkdir()
    write_batch(samples, "sample", section, {}, images, np.zeros(len(images), np.int64))
    return folder


@pytest.fixture
def writing(children, inputs, write_params, tmp_path, tmp_path_factory):
    """A verb that writes into a temporary folder, and what it writes there."""

    def new(kind):
        project = tmp_path_factory.mktemp("project")
        content = miniature_params() | {"paths": {"results": str(tmp_path)}}
        if kind in ALONE:  # a small graph is there in a moment, and one model counted
            models = {name: content["models"][name] for name in ALONE[kind]}
            content = {name: content[name] for name in ("paths", "datasets")} | {"models": models}
        write_params(project, content)
        made = Writing(children, kind, inputs, tmp_path, project)
        made.put_old()
        old = made.contents()
        ended = made.run(nth=0 if children.shim else None)
        assert ended.code == 0, ended.printed
        new = made.contents()
        assert new.keys() == made.artifacts().keys()
        made.put_old()
        return made, old, new, ended.count

    return new


def check_refused(ended, writing):
    """One line names what could not be written."""
    assert ended.code == 2, ended.printed
    lines = ended.printed.splitlines()
    (last,) = [line for line in lines if line.startswith("error: ")]
    assert last == lines[-1]
    assert str(writing.folder) in last
    assert "Traceback" not in ended.printed


@pytest.mark.parametrize("kind", VERBS)
def test_a_call_that_fails_leaves_the_old_artifact_and_a_killed_writer_too(faulty, writing, kind):
    made, old, new, calls = writing(kind)
    draws = random.Random(f"{SEED} {kind}")
    # The last calls are those that flush, put in place and clean up.
    chosen = sorted({*draws.sample(range(1, calls + 1), 2), *range(max(calls - 5, 1), calls + 1)})
    print(f"ADM_WRITES_SEED={SEED} repeats this; calls {chosen} of {calls}")
    errors = draws.sample([0, errno.EIO, errno.ENOSPC], 3)
    outcomes = set()
    for nth in chosen:
        error = errors[nth % 3]
        ended = made.run(nth, error)
        found = made.artifacts()
        print(nth, errno.errorcode.get(error, "killed"), ended.code, ended.printed.strip())
        if error == 0:
            assert ended.code == KILLED
        elif ended.code != 0:
            check_refused(ended, made)
            # What failed was at the very end: the folder's names could not be flushed.
            assert found == old or nth > calls - 6
        if made.is_folder or len(made.paths) == 1:
            assert found in (old, new)
        else:
            # Several files are put in place one after the other, each of them at once.
            assert all(file in (OLD, new[name]) for name, file in found.items())
            assert found.keys() == new.keys()
        outcomes.add("old" if found == old else "new")
        if found != made.contents() or nth == calls:
            # A run that comes later removes what was left half-written.
            again = made.run()
            assert (again.code, made.contents()) == (0, new), again.printed
        made.put_old()
    assert outcomes == {"old", "new"}


@pytest.fixture
def disk(children, tmp_path):
    """A small disk at the test's folder, as the children see it."""
    if children.namespace is None:
        pytest.skip("a small disk needs unshare(1), nsenter(1), and the right to mount: as root or in a user namespace")
    children.mount("-t", "tmpfs", "-o", "size=12m", "tmpfs", tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", VERBS)
def test_a_full_or_a_read_only_disk_leaves_the_old_artifact_and_is_one_line(disk, children, writing, kind):
    made, old, new, _ = writing(kind)
    size = sum(len(file) for file in new.values())
    ballast = children.seen(disk) / "ballast"
    for left in (0, size // 2 // 4096 * 4096):
        with ballast.open("wb") as file:
            file.write(bytes(shutil.disk_usage(ballast.parent).free - left))
        ended = made.run()
        ballast.unlink()
        check_refused(ended, made)
        assert made.contents() == old
    children.mount("-o", "remount,ro", disk)
    ended = made.run()
    children.mount("-o", "remount,rw", disk)
    check_refused(ended, made)
    assert made.contents() == old
    again = made.run()
    assert (again.code, made.contents()) == (0, new), again.printed
