"""What dvc.yaml declares for `dvc metrics`: outputs of its stages."""

import os
from pathlib import Path

import pytest
import yaml

from adm.dvc_file import MEASURED, render
from adm.params import load
from adm.pipeline import Pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["params.yaml", "scales/fashion/params.yaml"])
def declared(request, monkeypatch):
    """The jobs of a scale, and the metrics of its dvc.yaml, by paths from the project's root."""
    monkeypatch.chdir(ROOT)
    params = Path(request.param)
    pipeline = Pipeline(load(params), 1)
    lines = render(params, [params], pipeline).splitlines()
    found = yaml.safe_load("\n".join(lines[lines.index("metrics:") :]))

    def path(name):
        return Path(os.path.normpath(params.parent / name))

    return pipeline, [path(name) for name in found["metrics"]]


def test_metrics_are_all_scores_and_claims_but_what_is_measured_in_seconds(declared):
    pipeline, metrics = declared
    jobs = [job for job in pipeline.jobs.values() if job.key not in MEASURED]
    scored = {job.out.parent for job in jobs if job.kind.name in ("evaluate", "curve", "judge")}
    assert set(metrics) == scored | {job.outputs["json"] for job in jobs if job.kind.name == "claims"}
    made = {
        job.kind.name for job in jobs for folder in scored for path in job.outputs.values() if folder in path.parents
    }
    assert made <= {"evaluate", "curve", "judge"}
