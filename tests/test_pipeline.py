"""The graph of jobs: what holds of every scale's, and what has a job run again."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from PIL import Image

from adm.dvc_file import render
from adm.params import Params, UserError, load
from adm.pipeline import Pipeline
from adm.pipeline.carrying import carry_out

SCALES = ("params.yaml", "scales/paper/params.yaml", "scales/released/params.yaml")


@pytest.fixture(scope="module", params=SCALES)
def pipeline(root, request):
    return Pipeline(load(root / request.param))


@pytest.fixture(scope="module")
def embedded(root):
    return load(root / "tests" / "coloured.yaml")


def load_text(folder, text):
    (folder / "params.yaml").write_text(text)
    return load(folder / "params.yaml")


def changed(params, place, value):
    """A params file with another value at a place, such as "runs.scale-2.seed"."""
    data = params.model_dump(mode="json")
    *keys, last = place.split(".")
    section = data
    for key in keys:
        section = section[key]
    assert section[last] != value
    section[last] = value
    return Params.model_validate(data)


def rerun(before, after):
    """The jobs of a params file that another one has run again, or does not have.

    A table, a figure or claims that wait for one of these run again in any case, and are left out.
    """
    pipeline = Pipeline(before)
    triggers = {name: job.triggers for name, job in Pipeline(after).jobs.items()}
    found = {name for name, job in pipeline.jobs.items() if triggers.get(name) != job.triggers}
    behind = set()
    for name, job in pipeline.jobs.items():  # each after those that it waits for
        if not {*found, *behind}.isdisjoint(pipeline.after(job)):
            behind.add(name)
    return found - {name for name in behind if pipeline.jobs[name].kind.name in ("table", "figure", "claims")}


class TestEveryScale:
    def test_what_a_job_reads_another_one_writes(self, pipeline):
        written = {path for job in pipeline.jobs.values() for path in job.outputs.values()}
        read = {path for job in pipeline.jobs.values() for path in job.inputs.values()}
        assert read <= written

    def test_no_two_jobs_write_to_one_place(self, pipeline):
        written = sorted(path.parts for job in pipeline.jobs.values() for path in job.outputs.values())
        # Sorted, what lies in a folder follows it: neither twice the same, nor one in another.
        assert [(one, other) for one, other in pairwise(written) if other[: len(one)] == one] == []
        assert {parts[: len(pipeline.root.parts)] for parts in written} == {pipeline.root.parts}

    def test_jobs_stand_behind_those_that_they_wait_for(self, pipeline):
        seen = set()
        for name, job in pipeline.jobs.items():
            before = pipeline.after(job)
            assert seen.issuperset(before), name
            made = {path for other in before for path in pipeline.jobs[other].outputs.values()}
            assert made >= set(job.inputs.values())
            seen.add(name)

    def test_its_command_finds_each_job(self, pipeline):
        for name, job in pipeline.jobs.items():
            assert pipeline.find(job.kind.verb, job.argument) == job
            assert job.name == name
            assert (job.kind.verb.replace("_", "-"), job.argument) == (
                job.command[0],
                " ".join(job.command[1:2]),
            ) or not job.key
        commands = [tuple(job.command) for job in pipeline.jobs.values()]
        assert len(set(commands)) == len(commands)

    def test_triggers_are_plain(self, pipeline):
        triggers = {name: job.triggers for name, job in pipeline.jobs.items()}
        assert json.loads(json.dumps(triggers)) == triggers

    def test_results_can_lie_anywhere(self, pipeline, tmp_path):
        elsewhere = Pipeline(pipeline.params, root=tmp_path)
        for name, job in elsewhere.jobs.items():
            here = pipeline.jobs[name]
            assert job.triggers == here.triggers
            assert {key: tmp_path / path.relative_to(pipeline.root) for key, path in here.inputs.items()} == job.inputs
            assert {
                key: tmp_path / path.relative_to(pipeline.root) for key, path in here.outputs.items()
            } == job.outputs


SMALL = """
datasets: {mine: {source: folder, root: photos, image_size: 8, num_classes: 2}}
models:
  small:
    kind: diffusion
    dataset: mine
    checkpoints: [10, 20]
    network: {image_size: 8, channels: 32, channel_multiplier: [1], heads: 1, num_classes: 2}
    training: {batch_size: 4}
"""


def test_datasets_and_models_are_enough(tmp_path):
    pipeline = Pipeline(load_text(tmp_path, SMALL))
    assert set(pipeline.jobs) == {"resolve", "prepare/mine", "init/small", "sizes", "train/small-10", "train/small-20"}
    assert pipeline.after(pipeline.jobs["train/small-20"]) == ["prepare/mine", "train/small-10"]
    assert pipeline.jobs["train/small-10"].inputs["previous"] == pipeline.jobs["init/small"].out


def test_a_file_of_paths_alone_is_one_job(tmp_path):
    params = load_text(tmp_path, f"paths: {{results: {tmp_path / 'scratch'}}}")
    assert [job.outputs["params"] for job in Pipeline(params).jobs.values()] == [tmp_path / "scratch" / "params.yaml"]


SAMPLES = "{url: 'https://a.org/a.npz', image_size: 8, num_samples: 320, reference: digits}"
TWICE = {
    "run": ("gan_runs: {scale-2: {}}", "gan_runs.scale-2", "runs.scale-2"),
    "run and published samples": (f"published: {{samples: {{gan-1: {SAMPLES}}}}}", "samples.gan-1", "gan_runs.gan-1"),
    "study": ("likelihoods: {neighbours-ddim: {checkpoint: adm-128, num_images: 4}}", "likelihood/", "neighbours/"),
}


@pytest.mark.parametrize("case", TWICE)
def test_what_two_jobs_would_write_is_refused(root, tmp_path, case):
    changes, *named = TWICE[case]
    with pytest.raises(UserError, match="take another key") as error:
        Pipeline(load_text(tmp_path, f"base: {root / 'params.yaml'}\n{changes}\n")).jobs  # noqa: B018
    assert [name for name in named if name not in str(error.value)] == []


@pytest.mark.parametrize(
    ("verb", "argument"), [("sample", "scale-99"), ("train", "adm-128-0"), ("features", "reference")]
)
def test_what_is_not_in_the_file_is_refused(embedded, verb, argument):
    with pytest.raises(UserError, match=f"{verb} '{argument}'") as error:
        Pipeline(embedded).find(verb, argument)
    assert "\n" not in str(error.value)


def of_model(params, model, *sections):
    """The keys of entries of some sections that use a checkpoint of a model."""
    found = {key: entry for section in sections for key, entry in getattr(params, section).items()}
    used = {key: (entry.checkpoint, getattr(entry, "classifier", None)) for key, entry in found.items()}
    return {key for key, names in used.items() if model in [params.model_of(name) for name in names if name]}


def test_files_that_differ_in_their_endings_are_one_path_without_any(embedded):
    pipeline = Pipeline(embedded)
    run, table = (next(iter(pipeline.of_kind(kind))) for kind in ("sample", "table"))
    assert run.out == run.outputs["out"]
    assert {path.with_suffix("") for path in table.outputs.values()} == {table.out}


def test_a_throughput_is_measured_on_the_device_of_its_section(embedded):
    name = next(iter(embedded.throughput))
    on_gpu = changed(embedded, f"throughput.{name}.device", "cuda")
    for params, device in ((embedded, "cpu"), (on_gpu, "cuda")):
        pipeline = Pipeline(params)
        granted = pipeline.resources(pipeline.jobs[f"throughput/{name}"])
        assert (granted.device, granted.processes) == (device, 1)
        assert granted.memory_mb == params.resources.others.memory_mb


class TestRunAgain:
    """A value has those jobs run again that read it, and no others."""

    def test_how_and_where_jobs_are_carried_out_has_nothing_run_again(self, embedded):
        for place in ("execution.log_every", "execution.timeout_seconds", "resources.others.minutes"):
            assert rerun(embedded, changed(embedded, place, 7)) == set()
        for place in ("resources.train.processes", "resources.train.nodes"):
            assert rerun(embedded, changed(embedded, place, 3)) == set()

    @pytest.mark.parametrize(
        ("place", "value", "wanted"),
        [
            ("runs.scale-2.seed", 99, {"sample/scale-2", "evaluate/scale-2"}),
            ("neighbours.neighbours-guided.k", 2, {"neighbours/neighbours-guided"}),
            ("tables.further.caption", "Others.", {"table/further"}),
        ],
    )
    def test_its_own(self, embedded, place, value, wanted):
        assert rerun(embedded, changed(embedded, place, value)) == wanted

    def test_a_datasets_and_a_references(self, embedded):
        segments = {f"train/{key}" for key, segment in embedded.segments.items() if segment.dataset == "digits-64"}
        scored = {f"evaluate/{key}" for key, run in embedded.scored.items() if run.reference == "cat"}
        assert min(len(segments), len(scored)) > 1
        changes = {"datasets.digits-64.shard_size": {"prepare/digits-64", *segments}}
        changes["references.cat.num_images"] = {"reference/cat", *scored}
        for place, wanted in changes.items():
            assert rerun(embedded, changed(embedded, place, 7)) == wanted

    @pytest.mark.parametrize("model", ["adm-64", "classifier-128"])
    def test_a_models(self, embedded, model):
        params = changed(embedded, f"models.{model}.training.seed", 99)
        wanted = {f"init/{model}", "sizes"}
        wanted |= {f"train/{key}" for key, segment in embedded.segments.items() if segment.model == model}
        wanted |= {f"throughput/{key}" for key, timed in embedded.throughput.items() if timed.model == model}
        wanted |= {f"sample/{key}" for key in of_model(embedded, model, "runs", "upsampled_runs")}
        wanted |= {f"interpolate/{key}" for key in of_model(embedded, model, "interpolations")}
        wanted |= {f"likelihood/{key}" for key in of_model(embedded, model, "likelihoods")}
        assert rerun(embedded, params) == wanted

    def test_one_more_checkpoint_has_nothing_computed_again(self, embedded):
        longer = [*embedded.models["adm-128"].checkpoints, 9999]
        found = rerun(embedded, changed(embedded, "models.adm-128.checkpoints", longer))
        # Hyperparameters and claims tell how long a model was trained.
        assert found <= {"claims/paper", "table/table_11"}
        assert "train/adm-128-9999" in Pipeline(changed(embedded, "models.adm-128.checkpoints", longer)).jobs


JUDGED = """
base: {base}
extractors:
  second: {{dataset: digits, side: 12, iterations: 9, least_accuracy: 0.5, seed: 1}}
tables:
  second: {{rows: [scale-2, gan-1, horse-full], judges: [second], metrics: [fid], caption: By two.}}
claims:
  second: {{statement: S., source: T., kind: ranks_alike, metric: fid, runs: [scale-0, scale-2, gan-1], judge: second,
    tau: 0.5}}
"""


class TestJudges:
    """A judge makes what tables and claims ask for, and nothing of the first extractor's changes."""

    @pytest.fixture
    def judged(self, root, tmp_path):
        return Pipeline(load_text(tmp_path, JUDGED.format(base=root / "tests" / "coloured.yaml")), root=Path("r"))

    def test_its_jobs_are_of_the_runs_asked_for_and_of_their_references(self, embedded, judged):
        before = Pipeline(embedded, root=Path("r"))
        runs, references = ["scale-2", "gan-1", "horse-full", "scale-0"], ["digits", "horse"]
        assert judged.jobs.keys() - before.jobs.keys() == {
            *("extractor/second", "table/second", "claims/own"),
            *(f"{rule}/{run}@second" for rule in ("features", "judge") for run in runs),
            *(f"{rule}/{key}@second" for rule in ("reference_features", "dataset_features") for key in references),
        }

    def test_nothing_else_changes(self, embedded, judged):
        before = Pipeline(embedded, root=Path("r"))
        assert before.jobs.keys() <= judged.jobs.keys()
        for name, job in before.jobs.items():
            if job.kind.name == "report":  # which shows the new table
                continue
            other = judged.jobs[name]
            assert (other.triggers, other.inputs, other.outputs) == (job.triggers, job.inputs, job.outputs), name

    def test_what_a_judge_sees_is_of_its_own_features(self, judged):
        inputs = judged.jobs["judge/horse-full@second"].inputs
        its_own = {
            "features": "horse-full",
            "reference_features": "reference/horse",
            "dataset_features": "dataset/horse",
        }
        assert {name: inputs[name] for name in its_own} == {
            name: Path("r/features", f"{key}@second") for name, key in its_own.items()
        }
        graphs = {job.inputs["graph"] for name, job in judged.jobs.items() if "features/" in name and "@" in name}
        assert graphs == {Path("r/extractors/second")}
        assert judged.jobs["table/second"].inputs["judged/gan-1@second"] == Path("r/judged/gan-1@second.json")

    def test_a_judge_that_changes_scores_again_and_nothing_else_does(self, judged):
        after = rerun(judged.params, changed(judged.params, "extractors.second.seed", 2))
        assert after == {"extractor/second", *(name for name in judged.jobs if name.endswith("@second"))}


VIEWS = """
datasets:
  photos: {source: folder, root: photos, num_classes: 2, stored: files}
  small: {of: photos, image_size: 8}
  large: {of: photos, image_size: 16}
extractors: {told: {dataset: small, side: 16, iterations: 9, least_accuracy: 0}}
references:
  small: {dataset: small, num_images: 9}
  large: {dataset: large, num_images: 9}
models:
  one: &model
    kind: diffusion
    dataset: small
    checkpoints: [10]
    network: &network {image_size: 8, channels: 32, channel_multiplier: [1], heads: 1, num_classes: 2}
    training: {batch_size: 4}
  other: {<<: *model, dataset: large, network: {<<: *network, image_size: 16}}
gans: {gan: {dataset: small, iterations: 9, batch_size: 4}}
runs:
  one: {checkpoint: one, num_samples: 9}
neighbours: {near: {run: one}}
likelihoods: {bits: {checkpoint: one, num_images: 9}}
figures:
  images:
    kind: comparison
    caption: Images.
    columns: 2
    lines: 1
    rows: {"": {small: {dataset: small}, run: {run: one}}}
"""


class TestViews:
    """A view has no job: its readers read what its dataset's job wrote, at the view's size."""

    @pytest.fixture
    def params(self, tmp_path):
        return load_text(tmp_path, VIEWS)

    def test_one_job_prepares_for_all_sizes(self, params):
        pipeline = Pipeline(params)
        assert [job.key for job in pipeline.of_kind("prepare")] == ["photos"]
        assert "image_size" not in pipeline.jobs["prepare/photos"].values["dataset"]
        readers = {name for name, job in pipeline.jobs.items() if "prepare/photos" in pipeline.after(job)}
        assert readers == {
            *("extractor/told", "train/one-10", "train/other-10", "train_gan/gan", "neighbours/near"),
            *(f"{rule}/{key}" for rule in ("dataset_features", "reference") for key in ("small", "large")),
            *("likelihood/bits", "figure/images"),
        }

    def test_its_size_has_its_readers_run_again(self, params):
        assert rerun(params, changed(params, "datasets.small.image_size", 4)) == {
            *("extractor/told", "train/one-10", "train_gan/gan", "sizes", "dataset_features/small", "reference/small")
        }
        assert rerun(params, changed(params, "datasets.photos.image_size", 4)) == set()


SCRIPT = """
import json, sys
from adm.params import load
from adm.pipeline import Pipeline
pipelines = [Pipeline(load(name)) for name in sys.argv[1:]]
print(json.dumps([{name: job.triggers for name, job in pipeline.jobs.items()} for pipeline in pipelines]))
"""

ADDED = {
    "config/models.py": ("    ema_warmup: bool", "    restarts: int = 0\n"),
    "config/metrics.py": (
        '    "kid": Metric(',
        '    "mean": Metric("Mean", "lower", "adm.metrics.mean:mean", ("pool",)),\n',
    ),
    "config/samplers.py": ('    "ddim": Sampler(', '    "euler": Sampler("Euler", "adm.diffusion.euler:Euler"),\n'),
}
"""By file, where in it something is added, and what: a field, a metric, a sampler."""

USED = {
    "params": ("", ""),
    "field": ("training: {batch_size: 32,", "training: {restarts: 1, batch_size: 32,"),
    "metric": ("metrics: [fid, inception_score, precision, recall]", "metrics: [fid, mean]"),
}
"""Words of the params file, and others that use what is added."""


def test_what_is_added_to_the_package_counts_once_it_is_used(root, tmp_path):
    package = shutil.copytree(root / "adm", tmp_path / "adm", ignore=shutil.ignore_patterns("__pycache__"))
    for name, (place, added) in ADDED.items():
        text = (package / name).read_text()
        assert text.count(place) == 1
        (package / name).write_text(text.replace(place, added + place))
    (package / "metrics/mean.py").write_text("def mean(inputs):\n    return float(inputs.pool.mean())\n")
    (package / "diffusion/euler.py").write_text("class Euler:\n    pass\n")
    for name, (old, new) in USED.items():
        text = (root / "params.yaml").read_text()
        assert old in text
        (tmp_path / f"{name}.yaml").write_text(text.replace(old, new, 1))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", SCRIPT, *(f"{name}.yaml" for name in USED)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    before = json.loads(
        json.dumps({name: job.triggers for name, job in Pipeline(load(root / "params.yaml")).jobs.items()})
    )
    same, field, metric = (
        {name.partition("/")[0] for name in before if before[name] != after[name]} for after in json.loads(done.stdout)
    )
    assert same == set()
    assert {"init", "train"} <= field
    # Whoever asks for a metric has the runs scored again that are shown, and nothing sampled again.
    assert metric == {"table", "evaluate", "judge", "curve"}


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


SECTION = "{source: lsun, root: photos, image_size: 8, num_classes: 1"
WATCHED = f"paths: {{results: results/any}}\ndatasets:\n  seen: {SECTION}, watched: true}}\n  other: {SECTION}}}\n"


def test_images_of_a_watched_folder_are_a_value_of_its_dataset_alone(photos, tmp_path):
    params = load_text(tmp_path, WATCHED)
    before = Pipeline(params).triggers
    (photos / "two.png").write_text("two")
    after = Pipeline(params).triggers
    assert [name for name in before if before[name] != after[name]] == ["prepare/seen"]
    # DVC compares what `resolve` writes, and has it write that again when the folder changes.
    stages = yaml.safe_load(render(Path("params.yaml"), [Path("params.yaml")], Pipeline(load("params.yaml"))))["stages"]
    assert "photos" in stages["resolve"]["deps"]


def test_images_that_are_gone_are_those_that_were_prepared(photos, tmp_path):
    params = load_text(tmp_path, WATCHED)
    job = Pipeline(params).find("prepare", "seen")
    carry_out(Pipeline(params), job, SimpleNamespace())
    shutil.rmtree(photos)
    assert Pipeline(params).find("prepare", "seen").triggers == job.triggers
