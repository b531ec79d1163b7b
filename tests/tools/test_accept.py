"""`accept`: code that was declared to compute the same has nothing run again, in either engine, and is told."""

import json
import re

import pytest
from making import record

from adm.artifacts import code
from adm.artifacts.code import code_digest
from adm.artifacts.manifest import fingerprint, read_record

REASON = "only a name changed"


@pytest.fixture
def accept(adm):
    def run(*arguments):
        exit_code, out, _ = adm("accept", *arguments, *(() if REASON in arguments else ("--reason", REASON)))
        assert exit_code == 0
        return out

    return run


def of_other_code(adm, project):
    """How many artifacts `verify` tells to be of other code."""
    exit_code, out, _ = adm("verify", project.results)
    assert exit_code == 0
    return int(re.search(r"(\d+) made by other code$", out.strip())[1])


def test_accepted_code_has_no_job_run_again_and_what_is_half_done_goes_on(project, accept, adm):
    before, made_by = project.job("train/m-9").triggers, fingerprint(record("train", {}, {}, []))
    project.edit_code("train")
    assert project.job("train/m-9").triggers != before
    assert fingerprint(record("train", {}, {}, [])) != made_by
    assert of_other_code(adm, project) == 3
    accept("train", "--reason", REASON)
    # Snakemake compares these, DVC the file that holds them.
    assert project.job("train/m-9").triggers == before
    assert project.job("train/n-4").triggers["code"] == before["code"]
    assert fingerprint(record("train", {}, {}, [])) == made_by
    assert of_other_code(adm, project) == 0
    assert REASON in code.ACCEPTED.read_text()


def test_code_that_changes_again_has_jobs_run_again_until_it_is_accepted_too(project, accept):
    before = project.job("prepare/x").triggers
    project.edit_code("prepare")
    accept("prepare")
    project.make("prepare/y")
    project.edit_code("prepare", "\nNEWER = 1\n")
    assert project.job("prepare/x").triggers != before
    # Its artifacts are of two digests now, but of one that stands for both.
    accept("prepare")
    assert project.job("prepare/x").triggers == before


def test_what_was_accepted_is_no_change_when_the_old_code_comes_back(project, accept):
    before = code_digest("prepare")
    project.edit_code("prepare")
    accept("prepare")
    project.make("prepare/x")
    path = project.folder / "adm" / "stages" / "prepare.py"
    path.write_text(path.read_text().replace("NEW = 1", ""))
    project.edit_code("prepare", "")
    assert code_digest("prepare") == before
    assert "nothing to accept" in accept("prepare")


def test_nothing_is_recorded_where_all_artifacts_are_of_todays_code(project, accept):
    assert "nothing to accept" in accept("train")
    assert json.loads(code.ACCEPTED.read_text()) == {}


def test_of_several_older_digests_that_of_most_artifacts_is_taken(project, accept):
    project.edit_code("train")
    project.make("train/n-4")
    project.edit_code("train", "\nNEWER = 1\n")
    assert "1 artifacts of 1 other codes are made again" in accept("train")
    assert project.job("train/m-9").triggers["code"] == read_record(project.job("train/m-9").out).code


@pytest.mark.parametrize("verb", ["table", "claims", "resolve", "paint", "../../etc", "train-gan"])
def test_a_verb_whose_artifacts_tell_no_code_is_refused_in_one_line(project, refused, verb):
    assert "--reason" not in refused("accept", verb, "--reason", REASON)
    assert json.loads(code.ACCEPTED.read_text()) == {}


@pytest.mark.parametrize("verb", [(), ("train",)])
def test_without_a_reason_nothing_is_accepted(project, refused, verb):
    project.edit_code("train")
    assert "--reason" in refused("accept", *verb)
    assert json.loads(code.ACCEPTED.read_text()) == {}


@pytest.mark.usefixtures("project")
def test_a_record_that_is_no_json_is_named_in_one_line(refused):
    code.ACCEPTED.write_text("<<<<<<< ours\n{}")
    for verb in (["jobs"], ["accept", "train", "--reason", REASON]):
        assert str(code.ACCEPTED) in refused(*verb)
