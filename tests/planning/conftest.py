"""The scales that are planned, loaded once."""

import pytest

from adm.params import load
from adm.pipeline import Pipeline
from adm.planning.costs import costs_of


@pytest.fixture(scope="session")
def paper(root):
    return load(root / "scales" / "paper" / "params.yaml")


@pytest.fixture(scope="session")
def costs(paper):
    return {name: costs_of(job) for name, job in Pipeline(paper).jobs.items()}
