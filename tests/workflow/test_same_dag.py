"""Both engines declare the same stages, with the same commands, inputs, outputs and params sections."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adm.artifacts.code import code_digest
from adm.paper import FIGURES, TABLES

ROOT = Path(__file__).parents[2]
CODE = "/code/"


def plan(engine, folder):
    script = Path(__file__).with_name("plans.py")
    done = subprocess.run([sys.executable, script, engine], cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["as it is", "with what no table shows"])
def plans(request, new_project):
    """Snakemake's and DVC's plan of the params file, and of one whose tables leave things out."""
    if request.param == "as it is":
        return plan("snakemake", ROOT), plan("dvc", ROOT)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    add_what_no_table_shows(params)
    project = new_project("more", params)
    return plan("snakemake", project.folder), plan("dvc", project.folder)


def add_what_no_table_shows(params):
    """Something new in every section, published files too, and shards."""
    params["execution"]["shards"] = 2
    for section, key in [
        ("datasets", "digits"),
        ("extractors", "digits"),
        ("references", "digits"),
        ("gans", "digits"),
    ]:
        params[section]["more"] = params[section][key]
    studies = ("interpolations", "neighbours", "variations", "likelihoods")
    for section in ("upsampled_runs", "gan_runs", *studies, "throughput"):
        params[section][f"more-{section}"] = next(iter(params[section].values()))
    params["models"]["more"] = params["models"]["adm-128"]
    params["segments"]["more-7"] = {"model": "more", "dataset": "more", "previous": "more-0", "stop": 7}
    params["runs"]["more"] = {**params["runs"]["scale-2"]}
    scored = {"num_samples": 5, "reference": "their-reference", "extractor": "their-graph", "threads": 1}
    params["published"] = {
        "checkpoints": {"theirs": {"url": "file:///a.pt", "model": "adm-128", "iteration": 9}},
        "samples": {"their-samples": {"url": "file:///b.npz", "image_size": 8, "replicates": 40, **scored}},
        "references": {
            "their-reference": {"url": "file:///c.npz", "image_size": 8, "extractor": "their-graph", "threads": 1}
        },
        "graphs": {"their-graph": {"url": "file:///d.pb", "executor": "torch", "feature_batch": 8, "threads": 1}},
    }


def is_shown(name):
    """Whether a stage makes a table, a figure or the claims: DVC, without lists, has it depend on whole folders."""
    return name.split("@")[0] in ("table", "figure", "claims")


def files_beneath(path, stages):
    """A folder that no stage makes stands for the outputs within it, as DVC has it."""
    outputs = [output for stage in stages.values() for output in stage["outputs"]]
    return [path] if path in outputs else sorted({o for o in outputs if o.startswith(f"{path}/")}) or [path]


def test_stages_have_the_same_names(plans):
    snakemake, dvc = plans
    assert set(snakemake["stages"]) == set(dvc["stages"])


def test_commands_are_equal_but_for_shards(plans):
    snakemake, dvc = plans
    for name, stage in snakemake["stages"].items():
        command = stage["command"]
        if "shard_command" in stage:
            shard, _, rest = stage["shard_command"].partition(" --shard ")
            number, _, out = rest.partition(" --out ")
            assert (number.split("-of-")[1], "/shards/" in out) == ("2", True)
            command = f"{shard} --out {stage['outputs'][0]}"
        assert " ".join(command.split()) == " ".join(dvc["stages"][name]["command"].split()), name


def test_inputs_are_equal(plans):
    snakemake, dvc = plans
    for name, stage in dvc["stages"].items():
        if name == "check":
            continue
        inputs = [path for path in stage["inputs"] if CODE not in path]
        expanded = sorted(file for path in inputs for file in files_beneath(path, dvc["stages"]))
        if is_shown(name):
            assert set(snakemake["stages"][name]["inputs"]) <= set(expanded), name
            assert all(any(file in beneath for file in snakemake["stages"][name]["inputs"])
                       for beneath in (files_beneath(path, dvc["stages"]) for path in inputs)), name  # fmt: skip
        else:
            assert snakemake["stages"][name]["inputs"] == expanded, name


def test_outputs_are_equal(plans):
    snakemake, dvc = plans
    for name, stage in dvc["stages"].items():
        outputs = sorted(
            str(Path(path).parent) if CODE in path else path for path in snakemake["stages"][name]["outputs"]
        )
        assert sorted(set(outputs)) == stage["outputs"], name


def test_params_sections_that_trigger_are_equal(plans):
    snakemake, dvc = plans
    for name, stage in dvc["stages"].items():
        assert snakemake["stages"][name]["sections"] == stage["sections"], name


def test_code_that_triggers_is_equal(plans):
    snakemake, dvc = plans
    for name, stage in dvc["stages"].items():
        if name == "check":
            continue
        (file,) = [path for path in stage["inputs"] if CODE in path]
        assert snakemake["stages"][name]["code"] == code_digest(Path(file).stem), name
        assert f"adm {Path(file).stem.replace('_', '-')} " in stage["command"], name


def test_edges_are_equal(plans):
    snakemake, dvc = plans
    # DVC starts every stage from `check`, whose files hold the code's digests; to Snakemake they are no inputs.
    theirs = {edge for edge in map(tuple, dvc["edges"]) if "check" not in edge}
    ours = set(map(tuple, snakemake["edges"]))
    assert {edge for edge in ours if not is_shown(edge[0])} == {edge for edge in theirs if not is_shown(edge[0])}
    assert {edge for edge in ours if is_shown(edge[0])} <= theirs


def test_every_table_and_figure_of_the_appendix_has_a_stage(plans):
    shown = {*(f"table@{table}" for table in TABLES), *(f"figure@{figure}" for figure in FIGURES), "claims"}
    for engine in plans:
        assert {name for name in engine["stages"] if is_shown(name)} == shown


def test_what_git_holds_dvc_does_not_cache(plans):
    _, dvc = plans
    for name, stage in dvc["stages"].items():
        in_git = [path for path in stage["outputs"] if is_shown(name)]
        assert stage["uncached"] == in_git, name


def test_planning_imports_no_torch(plans):
    assert not plans[0]["imported_torch"]
