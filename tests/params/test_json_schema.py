"""The JSON schema accepts the params files that people write, and none of their mistakes."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from adm.params.json_schema import render
from adm.params.load import read_yaml

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "params.yaml", ROOT / "scales/shared.yaml", *sorted(ROOT.glob("scales/*/params.yaml"))]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(render())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def test_the_schema_that_editors_read_is_of_these_sections():
    assert (ROOT / "params.schema.json").read_text(encoding="utf-8") == render()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_params_files_fit_the_schema_that_their_first_line_names(path, validator):
    named = path.read_text(encoding="utf-8").splitlines()[0].partition("$schema=")[2]
    assert (path.parent / named).resolve() == ROOT / "params.schema.json"
    assert [error.message for error in validator.iter_errors(read_yaml(path))] == []


MISTAKES = {
    "unknown section": {"model": {}},
    "unknown field": {"models.adm-256.network.chanels": 32},
    "wrong type": {"models.adm-128.training.batch_size": "16"},
    "impossible value": {"models.adm-256.network.dropout": 2},
    "key with a space": {"runs.adm 128": {"checkpoint": "adm-128"}},
    "row that is no run": {"tables.table_8.rows": ["not made"]},
    "unknown metric": {"tables.further.metrics": ["fid", "fidelity"]},
    "unknown field of a claim": {"claims.ddim-worse": {"wrose": "scale-0"}},
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_do_not_fit(case, validator, change):
    assert not validator.is_valid(change(read_yaml(ROOT / "params.yaml"), MISTAKES[case]))


def test_what_a_base_has_can_be_taken_away(validator):
    taken = {"base": "../a.yaml", "gans": None, "runs": {"scale": None}, "published": {"graphs": None}}
    assert validator.is_valid(taken)
    assert not validator.is_valid({"base": None})
