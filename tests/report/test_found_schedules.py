"""The figure of found schedules: made from its studies alone, and of none that was found otherwise."""

import numpy as np
import pytest
import yaml
from making import record

from adm.config.respacing import respaced_timesteps
from adm.params import check
from adm.params.needs import needs_of_figure
from adm.report.artwork import draw
from adm.report.run_tables import describe
from adm.sampling.found_schedules import SearchedSchedule, VariationalSchedules
from adm.sampling.studies import write_study

FIGURE = {
    "kind": "schedules",
    "study": "bounds",
    "runs": {"uniform": "bedroom-uniform", "least bound": "bound", "searched": "searched"},
    "caption": "Found.",
}


@pytest.fixture(scope="module")
def params(root):
    content = yaml.safe_load((root / "tests" / "coloured.yaml").read_text())
    run = {"checkpoint": "lsun-bedroom", "steps": "3", "num_samples": 9}
    content["runs"] |= {
        "plain": run,
        "bound": run | {"schedule": "bounds"},
        "searched": run | {"schedule": "search"},
    }
    content["schedules"] = {
        "bounds": {"kind": "variational", "checkpoint": "lsun-bedroom", "num_images": 8},
        "search": {"kind": "search", "run": "plain", "num_samples": 400},
    }
    content["figures"]["found"] = FIGURE
    return check(content, "params.yaml")


@pytest.fixture
def inputs(params, placed, tmp_path):
    paths = placed(needs_of_figure(params, "found"), tmp_path)
    bounds = np.linspace(3, 2, 100)
    study = VariationalSchedules(np.arange(100), np.tri(100, dtype=bool), bounds, bounds + 1)
    write_study(paths["studies"]["bounds"], study, record("schedule", {"schedule": params.schedules["bounds"]}))
    chosen, scores = respaced_timesteps(100, "2,1,0,0,0"), np.ones(1)
    found = SearchedSchedule(
        np.array(chosen), np.ones((1, 3), bool), np.array([[2, 1, 0, 0, 0]]), np.array([9]), scores
    )
    sections = {"schedule": params.schedules["search"], "run": params.runs["plain"]}
    write_study(paths["studies"]["search"], found, record("schedule", sections))
    return paths


def test_it_needs_its_study_and_the_schedules_of_its_runs(params, placed, tmp_path):
    needs = needs_of_figure(params, "found")
    assert {kind: keys for kind, keys in needs.items() if keys} == {"studies": ["bounds", "search"]}


def test_it_marks_the_timesteps_that_each_run_visits(params, inputs):
    bounds, marks = draw(params, params.figures["found"], inputs).figure.axes
    assert bounds.lines[0].get_ydata()[-1] == 2
    visited = [list(line.get_xdata()) for line in marks.lines]
    assert visited == [respaced_timesteps(100, "5,5,5,5,5"), [0, 1, 2], respaced_timesteps(100, "2,1,0,0,0")]
    assert draw(params, params.figures["found"], inputs).remark == "Here: 8 images of bedroom under lsun-bedroom-800."


def test_a_row_of_a_table_tells_the_schedule_of_its_run(params):
    assert describe(params, "bound") == "lsun-bedroom-800, 3 steps of bounds"
    assert describe(params, "plain") == "lsun-bedroom-800, 3 steps"
