"""A search that finds the very schedule that it is compared with tests nothing, and the verdict says so."""

import csv

import numpy as np
import pytest
import yaml
from making import make, record

from adm.artifacts.seal import write_sealed_json
from adm.config.respacing import respaced_timesteps
from adm.params import check
from adm.params.needs import needs_of_claims
from adm.pipeline import Pipeline
from adm.sampling.found_schedules import SearchedSchedule
from adm.sampling.studies import write_study
from adm.stages import claims

SWEPT = "2,1,0,0,0"


@pytest.fixture(params=["runs", "groups"])
def params(root, request):
    content = yaml.safe_load((root / "tests" / "coloured.yaml").read_text())
    if request.param == "groups":
        content["models"]["lsun-bedroom"] |= {"seeds": [1, 2]}
    run = {"checkpoint": "lsun-bedroom", "num_samples": 9}
    runs = {"plain": run | {"steps": "3"}, "swept": run | {"steps": SWEPT}}
    content["runs"] = runs | {"searched": run | {"steps": "3", "schedule": "search"}}
    content["schedules"] = {"search": {"kind": "search", "run": "plain", "num_samples": 400, "seed": 50}}
    lower = {"statement": "S.", "source": "A", "kind": "lower", "metric": "fid", "run": "searched"}
    content["claims"] = {"itself": lower | {"than": "swept"}, "another": lower | {"than": "plain"}}
    kept = {"paths", "datasets", "extractors", "references", "models", "runs", "schedules", "claims"}
    return check({name: section for name, section in content.items() if name in kept}, "params.yaml")


def verdicts(params, placed, score, folder, found):
    """The verdicts where the search found this schedule, by the claims' keys."""
    inputs = placed(needs_of_claims(params, "own"), folder)
    (folder / "metrics").mkdir()
    for number, (run, path) in enumerate(inputs["metrics"].items()):
        write_sealed_json(path, score(params, run, intervals=["fid"], fid=5.0 + number))
    study = SearchedSchedule(
        np.array(respaced_timesteps(100, found)),
        np.ones((1, 3), bool),
        np.array([[int(part) for part in found.split(",")]]),
        np.array([9]),
        np.ones(1),
    )
    search = params.schedules["search"]
    write_study(
        inputs["studies"]["search"], study, record("schedule", {"schedule": search, "run": params.runs[search.run]})
    )
    read = Pipeline(params).jobs["claims/own"].sections["read"]
    make(claims, params.claims, read, inputs, folder / "own")
    with (folder / "own.csv").open(newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


def test_a_schedule_against_itself_is_not_tested(params, placed, score, tmp_path):
    found = verdicts(params, placed, score, tmp_path, SWEPT)
    assert found["itself"]["verdict"] == "not tested"
    assert "'searched' and 'swept' visit the same timesteps" in found["itself"]["note"]
    assert not found["itself"]["low"]
    assert found["another"]["verdict"] != "not tested"


def test_a_schedule_against_another_is_tested(params, placed, score, tmp_path):
    found = verdicts(params, placed, score, tmp_path, "1,1,1,0,0")
    assert {row["verdict"] for row in found.values()} <= {"holds", "undecided", "does not hold"}
