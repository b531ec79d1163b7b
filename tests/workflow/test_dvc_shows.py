"""What dvc.yaml declares for `dvc metrics` and `dvc plots`: outputs of its stages, and columns that they have."""

import csv
import os
from pathlib import Path

import pytest
import yaml

from adm.dvc_file import MEASURED, render
from adm.params import load
from adm.pipeline import Pipeline
from adm.tools.publish import published

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["params.yaml", "scales/fashion/params.yaml"])
def declared(request, monkeypatch):
    """The jobs of a scale, and the metrics and plots of its dvc.yaml, by paths from the project's root."""
    monkeypatch.chdir(ROOT)
    params = Path(request.param)
    pipeline = Pipeline(load(params), 1)
    lines = render(params, [params], pipeline).splitlines()
    found = yaml.safe_load("\n".join(lines[lines.index("metrics:") :]))

    def path(name):
        return Path(os.path.normpath(params.parent / name))

    plots = {}
    for plot in found["plots"]:
        ((name, settings),) = plot.items() if isinstance(plot, dict) else [(plot, None)]
        plots[name if settings and isinstance(settings["y"], dict) else path(name)] = settings
    for settings in plots.values():
        if settings and isinstance(settings["y"], dict):
            settings["y"] = {path(name): column for name, column in settings["y"].items()}
    return pipeline, [path(name) for name in found["metrics"]], plots


def test_metrics_are_all_scores_and_claims_but_what_is_measured_in_seconds(declared):
    pipeline, metrics, _ = declared
    jobs = [job for job in pipeline.jobs.values() if job.key not in MEASURED]
    scored = {job.out.parent for job in jobs if job.kind.name in ("evaluate", "curve", "judge")}
    assert set(metrics) == scored | {job.outputs["json"] for job in jobs if job.kind.name == "claims"}
    made = {
        job.kind.name for job in jobs for folder in scored for path in job.outputs.values() if folder in path.parents
    }
    assert made <= {"evaluate", "curve", "judge"}


def test_plots_are_figures_losses_of_every_segment_and_tables(declared):
    pipeline, _, plots = declared
    images = {name for name, settings in plots.items() if settings is None}
    figures = [job for job in pipeline.of_kind("figure") if job.key not in MEASURED]
    assert images == {job.outputs["png"] for job in figures}
    losses = {log: name for name, one in plots.items() if one and isinstance(one["y"], dict) for log in one["y"]}
    assert losses == {
        job.outputs["log"]: f"loss of {pipeline.params.model_of(job.key)}" for job in pipeline.of_kind("train")
    }
    tables = {name: one for name, one in plots.items() if one and not isinstance(one["y"], dict)}
    assert tables.keys() <= {job.outputs["csv"] for job in pipeline.of_kind("table")}
    # Of a scale that has not been run anew, some are not published.
    for name, settings in tables.items() if pipeline.root == Path("results/embedded") else ():
        with (published(pipeline.root) / name.relative_to(pipeline.root)).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert all(row[settings["y"]] and float(row[settings["x"]]) > 0 for row in rows), name
