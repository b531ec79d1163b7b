"""Both engines have exactly the graph's jobs and edges, at every scale; nothing is computed here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adm.dvc_file import stage_name
from adm.params import load, read
from adm.pipeline import Pipeline

ROOT = Path(__file__).parents[2]
SCALES = ("params.yaml", "scales/released/params.yaml", "scales/paper/params.yaml")
"""Between them they have every kind of job; the other scales have more jobs, of these kinds."""

SMALL = """
paths: {results: results/small}
datasets: {digits: {source: digits, image_size: 8, num_classes: 10}}
extractors: {digits: {dataset: digits, side: 16, iterations: 20, least_accuracy: 0}}
references: {digits: {dataset: digits, num_images: 1797}}
models:
  small:
    kind: diffusion
    dataset: digits
    checkpoints: [2, 4]
    network: {image_size: 8, channels: 32, channel_multiplier: [1], heads: 1, num_classes: 10}
    training: {batch_size: 4}
runs: {one: {checkpoint: small, steps: "2", num_samples: 8}}
"""
"""A dataset, a model and a run, and what a run is scored by: no studies, tables, figures or claims."""

ELSEWHERE = """
base: small.yaml
resources: {train: {memory_mb: 500}, others: {minutes: 7}}
paths: {results: /scratch/mine}
"""
"""The same with other limits, on another disk."""


def plan(folder, *arguments):
    command = [sys.executable, Path(__file__).with_name("plans.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def strings(paths):
    return sorted(set(map(str, paths)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("params")
    for name, text in {"small": SMALL, "elsewhere": ELSEWHERE}.items():
        (folder / f"{name}.yaml").write_text(text)
    return {scale: ROOT / scale for scale in SCALES} | {
        name: folder / f"{name}.yaml" for name in ("small", "elsewhere")
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SCALES, "small", "elsewhere"])
def test_snakemake_has_the_graphs_jobs_and_edges(files, name):
    pipeline = Pipeline(load(files[name]))
    planned = plan(ROOT, "snakemake", files[name])
    found = planned["jobs"]
    assert found.keys() == pipeline.jobs.keys()
    for key, job in pipeline.jobs.items():
        assert found[key]["inputs"] == strings(job.inputs.values()), key
        assert found[key]["outputs"] == strings(job.outputs.values()), key
        assert found[key]["after"] == sorted(pipeline.after(job)), key
        assert f"python -m adm {' '.join(job.command)} --params " in found[key]["command"], key
        taken = pipeline.resources(job)
        assert found[key]["limits"] == [taken.memory_mb, taken.minutes], key
        if job.kind.name != "resolve":
            assert found[key]["triggers"] == job.triggers, key
    assert {job["image"] for job in found.values()} == {"adm.sif"}
    # Planning is instant.
    assert not planned["imported_torch"]


@pytest.fixture(scope="module")
def in_dvc(new_project):
    """A project with the params file of every scale and its dvc.yaml, and the stages of each."""
    folder = (project := new_project("scales", {})).folder
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "scales", folder / "scales")
    for scale in SCALES:
        project.run("python", "-m", "adm", "dvc", "--params", scale)
    return folder, plan(folder, "dvc")


def check_dvc(file, pipeline, found):
    """Every job is a stage, which reads its trigger, written by `resolve`, beside its inputs."""
    name = {job.name: stage_name(job) for job in pipeline.jobs.values()}
    assert found.keys() == set(name.values())
    ignored = ignored_of(path for stage in found.values() for path in stage["outputs"])
    for key, job in pipeline.jobs.items():
        stage = found[name[key]]
        first = job.kind.name == "resolve"
        reads = [job.root / "jobs" / f"{key}.json", *job.inputs.values()]
        if first:
            reads = ["adm", *map(os.path.relpath, read(file).files)]
        assert stage["inputs"] == strings(reads), key
        assert stage["outputs"] == strings(job.outputs.values()), key
        after = [name[one] for one in pipeline.after(job)]
        assert set(stage["after"]) == {*after, *(() if first else ("resolve",))}, key
        assert stage["command"].startswith(f"python -m adm {' '.join(job.command)} --params {file}"), key
        # DVC's cache holds what git does not: all of it.
        assert stage["uncached"] == [path for path in stage["outputs"] if path not in ignored] == [], key


def ignored_of(paths):
    """Those of some paths that git does not track, by .gitignore."""
    command = ["git", "check-ignore", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(paths), stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_dvc_has_the_graphs_jobs_and_edges(in_dvc, scale, monkeypatch):
    folder, planned = in_dvc
    monkeypatch.chdir(folder)
    check_dvc(Path(scale), Pipeline(load(Path(scale))), planned[str(Path(scale).with_name("dvc.yaml"))])


def test_dvc_refuses_results_outside_the_project_in_one_line(files, adm):
    file = files["elsewhere"]
    code, _, err = adm("dvc", "--params", file)
    assert code == 2
    assert err.startswith(f"error: {file}: paths.results: /scratch/mine ")
    assert err.count("\n") == 1
    assert not file.with_name("dvc.yaml").exists()
