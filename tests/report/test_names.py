"""What captions say of the names of the paper: what the params file tells, and nothing where they are the paper's."""

from pathlib import Path

import pytest

from adm.params import load
from adm.pipeline import Pipeline
from adm.report.names import stands_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def embedded():
    return load(ROOT / "params.yaml")


def test_sizes_depths_and_classes_are_those_of_the_params(embedded):
    assert stands_for(embedded, ["adm-128", "adm-256"]) == "Here adm-128: 8×8; adm-256: 8×8, twice as deep."
    assert stands_for(embedded, ["adm-128", "adm-64"]) == "Here adm-128: 8×8; adm-64: 4×4."  # alike at 4×4
    assert stands_for(embedded, ["adm-u", "lsun-cat"]) == "Here adm-u: 4×4 to 8×8; lsun-cat: 8×8, classes 7, 8, 9."


def test_names_that_are_not_the_papers_are_left_out_and_so_are_classifiers_beside_what_they_guide(embedded):
    assert stands_for(embedded, ["ablation-base", "short-seed-1"]) == ""
    assert "classifier" not in stands_for(embedded, ["adm-128", "classifier-128"])
    assert stands_for(embedded, ["classifier-64"]) == "Here classifier-64: 4×4."


def test_twice_as_wide_is_told(embedded):
    wide = embedded.models["adm-256"].network.model_copy(update={"channels": 32})
    models = {**embedded.models, "adm-256": embedded.models["adm-256"].model_copy(update={"network": wide})}
    told = stands_for(embedded.model_copy(update={"models": models}), ["adm-256"])
    assert told == "Here adm-256: 8×8, twice as deep, twice as wide."


def test_seeds_of_a_model_are_told_once():
    digits = load(ROOT / "scales" / "digits" / "params.yaml")
    assert stands_for(digits, ["adm-128-seed-1", "adm-128-seed-2"]) == "Here adm-128: 8×8."


@pytest.mark.parametrize("scale", ["paper", "released"])
def test_models_of_the_papers_sizes_need_no_words(scale):
    params = load(ROOT / "scales" / scale / "params.yaml")
    assert stands_for(params, params.models) == ""


def test_a_table_says_what_the_models_of_its_runs_stand_for(embedded):
    assert "adm-64: 4×4" in Pipeline(embedded).jobs["table/table_14"].sections["names"]
