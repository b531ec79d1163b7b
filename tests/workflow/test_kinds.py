"""Kinds of jobs of a package beside this one: its sections, verbs, rules, stages, costs and pages are there."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from miniature import ROOT, start_no_forks, warmed
from PIL import Image

from adm.fork_server import PLACE

BESIDE = Path(__file__).with_name("beside")

PARAMS = {
    "paths": {"results": "results/embedded"},
    "datasets": {"digits": {"source": "digits", "image_size": 8, "num_classes": 10}},
    "extractors": {"small": {"dataset": "digits", "side": 8, "iterations": 3, "least_accuracy": 0}},
    "gans": {"digits": {"dataset": "digits", "iterations": 2, "batch_size": 8}},
    "references": {"digits": {"dataset": "digits", "num_images": 64}},
    "gan_runs": {"some": {"gan": "digits", "num_samples": 12}},
    "subspaces": {"plane": {"dataset": "digits", "sweep": {"rank": [2, 3]}}},
    "sheets": {"grid": {"run": "some"}},
}
PHOTOS = {"source": "lsun", "root": "photos", "image_size": 8, "num_classes": 1, "watched": True}
OF_PHOTOS = PARAMS | {
    "datasets": PARAMS["datasets"] | {"photos": PHOTOS},
    "subspaces": {"plane": PARAMS["subspaces"]["plane"] | {"dataset": "photos"}},
}
MADE = ["subspaces/plane-2/basis.npy", "subspaces/plane-3/basis.npy", "sheets/grid.png"]


@pytest.fixture(scope="module")
def run(projects, template, new_project, tmp_path_factory):
    """Make a project beside the package, with some photographs, and have an engine run it; jobs are forks of one."""
    environment = {**template.environment, "PYTHONPATH": f"{BESIDE}:{template.folder}"}

    def made(forks, *command):
        name = f"kinds-{command[0]}"
        project = new_project(name, OF_PHOTOS, PYTHONPATH=f"{BESIDE}:{projects / name}", **{PLACE: forks[PLACE]})
        start_no_forks(project)
        (project.folder / "photos").mkdir()
        for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8)):
            Image.fromarray(pixels).save(project.folder / "photos" / f"{number:02}.png")
        project.run(*command)
        return project

    with warmed(template.folder, tmp_path_factory.mktemp("warm"), environment) as forks:
        yield partial(made, forks)


@pytest.fixture(scope="module")
def by_snakemake(run):
    return run("snakemake", "--cores", "2")


@pytest.fixture(scope="module")
def by_dvc(run):
    return run("dvc", "repro")


def results(made):
    return {name: (made.folder / "results" / "embedded" / name).read_bytes() for name in MADE}


@pytest.mark.slow
def test_both_engines_run_them_to_the_same_bytes(by_snakemake, by_dvc):
    assert results(by_snakemake) == results(by_dvc)
    assert by_snakemake.folder.joinpath("results/embedded/logs/sheet/grid.txt").is_file()


@pytest.mark.slow
def test_what_they_rest_on_has_them_run_again(by_snakemake):
    changes = {"subspaces__plane__iterations": 51}, {"gan_runs__some__seed": 1}
    files = [by_snakemake.variant(f"changed-{n}", values) for n, values in enumerate(changes)]
    ran = by_snakemake.needed_of("params.yaml", *files)
    expected = set(), {"subspace/plane-2", "subspace/plane-3"}, {"sheet/grid"}
    for names, here in zip(ran, expected, strict=True):
        assert {name for name in names if name.partition("/")[0] in ("subspace", "sheet")} == here


@pytest.mark.slow
def test_images_that_are_added_changed_or_removed_are_prepared_again(by_snakemake, by_dvc):
    def changes(photos):
        yield shutil.copy(photos / "00.png", photos / "70.png")
        yield Image.new("RGB", (8, 8)).save(photos / "00.png")
        yield (photos / "01.png").unlink()

    ran = {"prepare/photos", "subspace/plane-2", "subspace/plane-3"}
    for _ in changes(by_snakemake.folder / "photos"):
        assert by_snakemake.needed() - {"resolve"} == ran
    assert len(list(changes(by_dvc.folder / "photos"))) == 3
    stages = re.findall(r"^Running stage '(?!resolve)(.+)':", by_dvc.dvc("repro"), flags=re.MULTILINE)
    assert sorted(stages) == sorted(name.replace("/", "-") for name in ran)


def test_another_text_of_their_stages_or_sections_is_another_digest(tmp_path):
    code = f"""
import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]
from adm.pipeline import Pipeline
from adm.params import check
jobs = Pipeline(check({PARAMS!r}, 'params.yaml')).jobs
print({{name: job.code for name, job in jobs.items() if job.kind.verb in ('subspace', 'sheet', 'prepare')}})
"""
    shutil.copytree(BESIDE / "beside-1.dist-info", tmp_path / "beside-1.dist-info")
    (tmp_path / "beside").mkdir()

    def digests(before="", after=""):
        for path in (BESIDE / "beside").glob("*.py"):
            # The stage names no class of what it is handed.
            text = path.read_text().replace("from beside.kinds import SheetParams\n", "").replace(": SheetParams", "")
            (tmp_path / "beside" / path.name).write_text(text.replace(before, after))
        return run_python(code, tmp_path)

    old, subspaces = digests(), {"subspace/plane-2", "subspace/plane-3"}
    for before, after, changed in (
        ("127.5 - 1", "255", subspaces),
        ("columns: PositiveInt = 4", "columns: PositiveInt = 6", {*subspaces, "sheet/grid"}),
    ):
        new = digests(before, after)
        assert {name for name in old if old[name] != new[name]} == changed


def run_python(code, path):
    environment = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


MISTAKES = {
    "sheets.grid.run: 'soem' is not among runs.*some": {"sheets": {"grid": {"run": "soem"}}},
    "subspaces.plane: unknown key 'rnak'": {"subspaces": {"plane": {"dataset": "digits", "rnak": 2}}},
}


def test_verbs_pages_and_messages_have_them():
    code = f"""
import sys; sys.path[:0] = [{str(BESIDE)!r}, {str(ROOT)!r}, {str(ROOT / "workflow")!r}]
from typer.testing import CliRunner
import pages
from adm import cli
from adm.params import UserError, check, json_schema

def told(changes):
    try:
        check({PARAMS!r} | changes, "params.yaml")
    except UserError as error:
        return str(error)

print(dict(
    help=CliRunner().invoke(cli.app, ["subspace", "--help"]).stdout,
    artifacts="\\n".join(pages._artifacts()),
    schema=json_schema.render(),
    messages=[told(changes) for changes in {list(MISTAKES.values())!r}],
))
"""
    found = run_python(code, BESIDE)
    assert "Train a linear subspace" in found["help"]
    assert "`adm sheet`" in found["artifacts"]
    assert "The first samples of a run, in one picture" in found["artifacts"]
    schema = json.loads(found["schema"])
    assert {"subspaces", "sheets"} <= schema["properties"].keys()
    assert schema["definitions"]["SubspaceParams"]["properties"].keys() >= {"rank", "sweep"}
    for message, told in zip(MISTAKES, found["messages"], strict=True):
        assert re.search(message, told)
