"""A sampling job keeps its finished blocks, goes on from them to the same bytes, and holds one at a time."""

import tracemalloc

import numpy as np
import pytest
from filelock import FileLock
from making import make, record, refusal_of

from adm.artifacts.manifest import read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.errors import UserError
from adm.machine import cpp_compiler, vector_instructions
from adm.params.runs import RunParams
from adm.sampling.batch import SAMPLES, Samples, read_batch
from adm.stages import sample
from adm.training.state import TrainingState
from adm.training.tasks import build_task

RUN = RunParams.model_validate(
    {"checkpoint": "c-0", "classifier": "k-0", "gradient_scale": 2.0, "sampler": "ddpm", "steps": "3"}
    | {"num_samples": 7, "micro_batch": 2, "seed": 5, "threads": 1, "reference": "r"}
)


class Project:
    """A folder with a checkpoint of a model and one of a classifier, in which runs are sampled."""

    def __init__(self, folder, model, classifier, randomised, monkeypatch):
        self.folder, self.model, self.classifier, self.monkeypatch = folder, model, classifier, monkeypatch
        self.randomised = randomised
        self.checkpoint("c", model)
        self.checkpoint("k", classifier)
        self.computed = []

    def checkpoint(self, name, model, seed=0):
        with new_folder(self.folder / name) as folder:
            TrainingState(self.randomised(model, seed), build_task(model), model.training).save(folder)
            write_manifest(folder, record("init", {"model": model}, {}, []), {"step": 0})

    @property
    def inputs(self):
        return {"checkpoint": self.folder / "c", "classifier": self.folder / "k"}

    def sample(self, name, interrupted_before=None, work="work/run", run=RUN):
        """Sample, and note which blocks were computed."""
        self.computed.clear()
        made = sample.block_sampler

        def counted(*arguments):
            compute = made(*arguments)

            def one(block):
                if block == interrupted_before:
                    raise KeyboardInterrupt
                self.computed.append(block)
                return compute(block)

            return one

        with self.monkeypatch.context() as patched:
            patched.setattr(sample, "block_sampler", counted)
            out, work = self.folder / name, self.folder / work
            make(sample, run, self.model, self.classifier, self.inputs, out, "cpu", 60, work=work)

    def interrupt(self, before, run=RUN):
        with pytest.raises(KeyboardInterrupt):
            self.sample("interrupted", before, run=run)
        assert not (self.folder / "interrupted").exists()

    def files(self, name):
        return {file.name: file.read_bytes() for file in (self.folder / name).iterdir()}

    def blocks(self):
        """What is kept, by the names of the files."""
        return sorted((self.folder / "work").glob("run/*/*"))


@pytest.fixture
def project(tmp_path, tiny_model, randomised, monkeypatch):
    return Project(tmp_path, tiny_model(), tiny_model("classifier"), randomised, monkeypatch)


def test_an_interrupted_job_goes_on_to_the_same_bytes(project):
    project.sample("whole")
    for done in (0, 1, 3):
        project.interrupt(done)
        assert len(project.blocks()) == done
        project.sample("again")
        assert project.computed == [*range(done, 4)]
        assert project.files("again") == project.files("whole")
        assert list(project.folder.glob("work/*")) == []


def test_a_job_that_is_interrupted_as_it_writes_computes_nothing_again(project, monkeypatch):
    project.sample("whole")

    def full(*_):
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr(sample, "write_blocks", full)
        with pytest.raises(OSError, match="full"):
            project.sample("again")
    project.sample("again")
    assert project.computed == []
    assert project.files("again") == project.files("whole")


def test_the_file_of_a_run_is_what_numpy_writes_of_all_blocks(project, tmp_path):
    project.sample("whole")
    images, labels = read_batch(project.folder / "whole")
    assert images.shape == (7, 8, 8, 3)
    np.savez(tmp_path / "numpy.npz", arr_0=images, arr_1=labels)
    assert (tmp_path / "numpy.npz").read_bytes() == project.files("whole")[SAMPLES]


@pytest.mark.slow
@pytest.mark.xdist_group("compiler")  # on one worker, which tries once what the compiler can
@pytest.mark.skipif(cpp_compiler() is None, reason="torch's compiler needs a C++ compiler")
def test_a_compiled_run_has_the_same_bytes_in_any_process_and_differs_from_a_plain_one_by_rounding(project, programs):
    run, before = RUN.model_copy(update={"compiled": True}), programs()
    project.sample("plain")
    project.sample("whole", run=run)
    made = programs() - before
    assert len(made) == 2  # the denoiser and the classifier's slope
    project.sample("again", run=run)
    assert programs() == before | made
    assert project.files("again") == project.files("whole")
    project.interrupt(2, run=run)
    project.sample("later", run=run)
    assert project.computed == [2, 3]
    assert project.files("later") == project.files("whole")
    versions = read_manifest(project.folder / "whole", "sample").versions
    assert versions["compiler"] == cpp_compiler()
    assert versions["instructions"] == vector_instructions()
    plain, compiled = (read_batch(project.folder / name).images.astype(int) for name in ("plain", "whole"))
    assert abs(plain - compiled).max() <= 1


def test_without_a_compiler_a_compiled_run_is_refused_in_one_line(project, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"^compiled true: needs a C\+\+ compiler"):
        project.sample("whole", run=RUN.model_copy(update={"compiled": True}))


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_block_is_computed_again(project, damage, caplog):
    project.sample("whole")
    project.interrupt(3)
    path = project.blocks()[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "remove":
        path.write_bytes(content if damage == "flip" else content[:-100])
    project.sample("again")
    assert project.computed == [1, 3]
    assert project.files("again") == project.files("whole")
    assert (path.name in caplog.text) == (damage != "remove")


OTHERS = {"seed": {"seed": 6}, "block": {"micro_batch": 3}}


@pytest.mark.parametrize("other", [*OTHERS, "checkpoint", "classifier"])
def test_a_job_of_another_run_or_checkpoint_does_not_go_on_from_it(project, other):
    project.interrupt(2)
    old = set(project.blocks())
    run = RUN.model_copy(update=OTHERS.get(other, {}))
    if other == "checkpoint":
        project.checkpoint("c", project.model, seed=1)
    if other == "classifier":
        project.checkpoint("k", project.classifier, seed=1)
    project.interrupt(1, run=run)
    assert not old & set(project.blocks())
    project.sample("again", run=run)
    project.sample("fresh", run=run, work="elsewhere")
    assert project.files("again") == project.files("fresh")


def test_a_job_that_another_process_is_at_work_on_is_refused_in_one_line(project):
    project.interrupt(2)
    kept = project.blocks()
    with FileLock(project.folder / "work" / "run.lock") as lock:
        assert refusal_of(project.sample, "again").startswith(f"{lock.lock_file}: another process holds it")
    assert project.blocks() == kept
    assert not (project.folder / "again").exists()


def test_a_long_run_takes_no_more_memory_than_a_short_one(project, monkeypatch):
    side, micro_batch, held = 64, 40, {}

    def made(*_):
        shape = (micro_batch, side, side, 3)
        return lambda block: Samples(np.full(shape, block, np.uint8), np.full(micro_batch, block))

    monkeypatch.setattr(sample, "block_sampler", made)
    # The first call alone imports and remembers things.
    for count in (1, 8, 40):
        run = RUN.model_copy(update={"num_samples": count * micro_batch, "micro_batch": micro_batch})
        tracemalloc.start()
        project.sample(f"{count}", run=run)
        held[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert held[40] < held[8] + micro_batch * side**2 * 3
    assert (read_batch(project.folder / "40").images[:, 0, 0, 0] == np.repeat(np.arange(40), micro_batch)).all()
