"""The pipeline in miniature through both engines: same bytes, nothing twice, and only what a change asks for."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from miniature import ROOT, after, rerun

from adm.params import load
from adm.pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engines")]


def test_both_engines_make_the_same_bytes(by_snakemake, by_dvc, adm, tmp_path):
    """Though one has another folder, umask, clock, locale, order of sets and threads than the other."""
    ours, theirs = by_snakemake.artifacts(), by_dvc.artifacts()
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    print(f"{len(ours)} files of {sum(map(len, ours.values())):,} bytes are equal")
    folders = [project.folder / "results" / "embedded" for project in (by_snakemake, by_dvc)]
    exit_code, out, _ = adm("compare", *folders, "--out", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())["files"]
    kinds = {one["kind"] for name, one in found.items() if name != "counts"}
    assert (exit_code, kinds) == (0, {"equal", "measured"}), out


def test_dvc_finds_nothing_to_do_after_snakemake_once_told(by_snakemake):
    by_snakemake.dvc("commit", "--force", "dvc.yaml")
    assert by_snakemake.repro() == set()
    assert by_snakemake.needed() == set()


def test_snakemake_finds_nothing_to_do_after_dvc_once_told(by_dvc):
    assert by_dvc.repro() == set()
    by_dvc.make("sync")
    nothing, something = by_dvc.needed_of("params.yaml", by_dvc.variant("changed", {"runs__scale__seed": 7}))
    assert nothing == set() != something


CHANGES = {
    "of runs and of a model": {"runs__scale__seed": 7, "models__adm-64__training__seed": 9},
    "of a table": {"tables__own__caption": "Others."},
    "of a reference": {"references__digits__num_images": 1700},
}
"""Changed values, which leave the jobs and edges as they were."""


NEW_RUN = {
    "runs__new": {"checkpoint": "adm-64", "steps": "2", "num_samples": 6},
    "figures__figure_24__run": "scale-0",
    "neighbours__near__k": 2,
}
NEW = {
    "a run, another one in a figure, and a changed value": NEW_RUN,
    "a checkpoint": {"models__classifier__checkpoints": [3, 4]},
}
"""What has other jobs or edges."""


def test_snakemake_runs_what_the_graph_says_of_changed_values_and_of_what_is_new(by_snakemake):
    files = [by_snakemake.variant(f"changed-{n}", each) for n, each in enumerate((CHANGES | NEW).values())]
    expected = [rerun(by_snakemake.pipeline(), Pipeline(load(file))) for file in files]
    assert len({*map(frozenset, expected)}) == len(files)
    found = by_snakemake.needed_of(*files)
    for what, jobs, graph in zip(CHANGES | NEW, found, expected, strict=True):
        assert jobs == graph, what


def test_dvc_refuses_what_is_new_and_runs_it_alone_by_the_command_that_it_names(by_dvc):
    before = by_dvc.pipeline()
    with by_dvc.changed(**NEW_RUN):
        printed = by_dvc.dvc("repro", succeeds=False)
        (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
        command = "adm dvc --params params.yaml"
        assert command in line
        assert by_dvc.named(printed) == {"resolve"}
        with by_dvc.edited("dvc.yaml", "{}\n".format):  # is as it was, at the end
            by_dvc.run("python", "-m", *command.split())
            ran = rerun(before, by_dvc.pipeline())
            assert {"sample/new", "features/new", "evaluate/new", "figure/figure_24", "neighbours/near"} <= ran
            assert by_dvc.repro() == ran
    assert by_dvc.repro() <= {"resolve"}


STAGE = "adm/stages/neighbours.py"


def test_dates_and_comments_run_nothing_again(by_snakemake, by_dvc):
    for project in (by_snakemake, by_dvc):
        for path in (project.folder / "adm").rglob("*.py"):
            os.utime(path)
    for project, ran in ((by_snakemake, by_snakemake.needed), (by_dvc, by_dvc.repro)):
        with project.edited(STAGE, "{}\n# A comment.\n".format):
            # DVC sees other files, of which the first stage makes what it made.
            assert ran() <= {"resolve"}


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_changed_code_runs_its_stages_again_unless_it_is_accepted(by_snakemake, by_dvc, engine):
    project = {"snakemake": by_snakemake, "dvc": by_dvc}[engine]
    run = {"snakemake": by_snakemake.needed, "dvc": by_dvc.repro}[engine]
    pipeline = project.pipeline()
    with project.edited(STAGE, "{}\nNOTHING = None\n".format):
        with project.edited("adm/accepted.json", lambda text: text + " "):
            project.run("python", "-m", "adm", "accept", "neighbours", "--reason", "A statement that nothing reads.")
            assert run() <= {"resolve"}
        assert run() == {"resolve", *after(pipeline, {"neighbours/near"})}


def test_another_configuration_than_the_stages_read_is_refused(by_snakemake):
    printed = by_snakemake.snakemake("--dry-run", "--config", "runs=none", succeeds=False)
    (line,) = [line for line in printed.splitlines() if line.startswith("--config")]
    assert "params.yaml" in line


def test_bad_params_stop_both_engines_before_anything_runs(by_snakemake, by_dvc):
    values, words = {"runs__scale__gradient_sclae": 2.0}, ["runs.scale", "gradient_sclae", "gradient_scale"]
    with by_snakemake.changed(**values):
        printed = by_snakemake.snakemake("--dry-run", succeeds=False)
    (line,) = [line for line in printed.splitlines() if "params.yaml: " in line]
    assert all(word in line for word in words), line
    with by_dvc.changed(**values):
        printed = by_dvc.dvc("repro", succeeds=False)
    (line,) = [line for line in printed.splitlines() if line.startswith("error: params.yaml: ")]
    assert all(word in line for word in words), line
    assert by_dvc.named(printed) == {"resolve"}


def test_a_stage_that_fails_says_why_on_the_terminal(by_snakemake):
    study = by_snakemake.folder / "results" / "embedded" / "studies" / "between" / "interpolation.npz"
    content, times = study.read_bytes(), study.stat()
    study.write_bytes(content[:-1])
    target = "results/embedded/figures/figure_10a.png"
    try:
        printed = by_snakemake.snakemake("--forcerun", "figure", "--", target, succeeds=False)
    finally:
        study.write_bytes(content)
        os.utime(study, ns=(times.st_atime_ns, times.st_mtime_ns))
    by_snakemake.snakemake("--quiet", "all", "--", target)  # the failed job's old output is gone
    assert "interpolation.npz: is not the file that was written" in printed


LIGHT = ["--help", "train --help", "resolve", "table table_8", "table table_14", "figure figure_5_seconds"]
LIGHT += ["figure figure_6", "figure figure_8", "claims own", "prepare digits"]

SCRIPT = """
import sys
from adm.cli import main
for line in sys.argv[1:]:
    sys.argv = ["adm", *line.split()]
    try:
        main()
    except SystemExit as stopped:
        loaded = [name for name in ("torch", "tensorflow") if name in sys.modules]
        print("LOADED", line, stopped.code, *loaded)
"""


def test_light_verbs_load_no_heavy_library(by_snakemake, tmp_path):
    shutil.copytree(by_snakemake.folder / "results", tmp_path / "results")
    shutil.copy(by_snakemake.folder / "params.yaml", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT, *LIGHT]
    done = subprocess.run(command, capture_output=True, check=True, env=environment, text=True, cwd=tmp_path)
    found = re.findall(r"^LOADED (.*)$", done.stdout, flags=re.MULTILINE)
    assert found == [f"{line} 0" for line in LIGHT], done.stderr
