"""`jobs`: each job is there, missing, or stale for the reason that is told."""

import json
import os
import shutil

import pytest

from adm.artifacts.seal import read_sealed_json, write_sealed_json
from adm.params import load
from adm.pipeline import Pipeline
from adm.tools.jobs import states

BEHIND_M_4 = ["train/m-4", "train/m-9", "sample/a", "features/a", "evaluate/a", "table/mine", "claims/own", "report"]
"""A segment, and what is made from it in turn."""


def stale(project):
    """Why each job that is not done would be done, by its name; "missing" for one that is."""
    found = states(Pipeline(load(project.params)))
    return {name: "; ".join(state.why) or state.word for name, state in found.items() if state.word != "there"}


def test_all_is_there_when_all_was_done(project, adm):
    assert stale(project) == {}
    exit_code, out, _ = adm("jobs")
    *lines, last = out.splitlines()
    assert exit_code == 0
    assert {line.rpartition(": ")[2] for line in lines} == {"there"}
    assert len(lines) == len(Pipeline(load(project.params)).jobs)
    assert last == f"{len(lines)} there, 0 stale, 0 missing"


def test_only_the_jobs_of_a_verb(project, adm, refused):
    _, out, _ = adm("jobs", "train")
    assert [line.split(":")[0] for line in out.splitlines()[:-1]] == ["train m-4", "train n-4", "train m-9"]
    refused("jobs", "paint")


def test_what_is_missing_and_what_is_behind_it(project):
    shutil.rmtree(project.results / "checkpoints" / "m-4")
    found = stale(project)
    assert list(found) == BEHIND_M_4 == [name for name in found if name in BEHIND_M_4]
    assert found["train/m-4"] == "missing"
    assert "checkpoints/m-4 is missing" in found["train/m-9"]
    assert "checkpoints/m-9 is stale" in found["sample/a"]


def test_a_job_of_two_outputs_is_missing_without_one(project):
    (project.results / "training" / "m-9.csv").unlink()
    assert stale(project)["train/m-9"] == "missing"


def test_a_changed_value_is_told_with_both(project):
    project.edit_params('a: &a {checkpoint: m, steps: "3"', 'a: &a {checkpoint: m, steps: "5"')
    found = stale(project)
    for name in ("sample/a", "sample/b", "evaluate/a"):
        assert "run.steps 3 -> 5" in found[name]
    assert not any(name.startswith(("train/", "init/", "features/reference")) for name in found)
    assert found["resolve"] == "params"


def test_what_changed_in_the_triggers_of_a_job_is_told_of_its_file(project):
    file = project.results / "jobs" / "sample" / "a.json"
    written = json.loads(file.read_text())
    for name, told in (("params", "params of sample/a"), ("code", "code of sample/a")):
        file.write_text(json.dumps({**written, name: {}}))
        assert stale(project)["resolve"] == told


def test_another_parent_is_told(project):
    project.edit_params("b: {<<: *a, checkpoint: n", "b: {<<: *a, checkpoint: m-4")
    assert "checkpoints/m-4 is another one" in stale(project)["sample/b"]


def test_a_parent_that_was_made_anew_is_told(project):
    (project.results / "samples" / "a" / "content.bin").write_bytes(b"other")
    manifest = project.results / "samples" / "a" / "manifest.json"
    project.edit_code("sample")
    shutil.rmtree(manifest.parent)
    project.make("sample/a")
    found = stale(project)
    assert "sample/a" not in found
    assert found["sample/b"] == "code"
    assert "samples/a is another one" in found["features/a"]


def test_what_is_shown_is_judged_by_its_record_and_not_by_times_or_what_resolve_wrote(project):
    for path in (project.results / "tables").iterdir():
        os.utime(path, (0, 0))
    assert stale(project) == {}
    project.edit_params("caption: Both runs.", "caption: Two runs.")
    project.make("resolve")
    found = stale(project)
    assert "table.caption Both runs. -> Two runs." in found["table/mine"]
    assert "tables/mine.md is stale" in found["report"]
    project.make("table/mine")
    project.make("report")
    assert stale(project) == {}


def test_a_table_is_stale_for_what_it_reads_of_params_and_of_other_scores(project):
    path = project.results / "metrics" / "a.json"
    write_sealed_json(path, {**read_sealed_json(path), "number": "another"})
    assert "metrics/a.json is another one" in stale(project)["table/mine"]
    project.edit_params("learning_rate: 1.0e-3", "learning_rate: 2.0e-3")
    assert "read.models.m.training.learning_rate 0.001 -> 0.002" in stale(project)["table/mine"]


def test_another_order_of_rows_is_told(project):
    project.edit_params("rows: [a, b]", "rows: [b, a]")
    assert "the order of entries" in stale(project)["table/mine"]


def test_a_page_without_a_table_is_stale_once_there_is_one(project):
    for path in (project.results / "tables").iterdir():
        path.unlink()
    project.make("report")
    assert "tables/mine.md is missing" in stale(project)["report"]
    project.make("table/mine")
    assert "tables/mine.md is another one" in stale(project)["report"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_a_manifest_that_cannot_be_read_is_told(project, content):
    (project.results / "samples" / "a" / "manifest.json").write_bytes(content)
    found = stale(project)
    assert "samples/a/manifest.json: " in found["sample/a"]
    assert "samples/a is stale" in found["features/a"]
