"""The scales that are planned, loaded once."""

import pytest

from adm.params import load
from adm.pipeline import Pipeline
from adm.planning.costs import costs_of
from adm.planning.images import ImageCounts


def counted(file):
    return ImageCounts(Pipeline(load(file)))


@pytest.fixture(scope="session")
def paper_counts(root):
    return counted(root / "scales" / "paper" / "params.yaml")


@pytest.fixture(scope="session")
def embedded_counts(root):
    return counted(root / "tests" / "coloured.yaml")


@pytest.fixture(scope="session")
def fashion_counts(root):
    return counted(root / "scales" / "fashion" / "params.yaml")


@pytest.fixture(scope="session")
def paper(paper_counts):
    return paper_counts.params


@pytest.fixture(scope="session")
def embedded(embedded_counts):
    return embedded_counts.params


@pytest.fixture(scope="session")
def costs(paper_counts):
    return costs_of(paper_counts)
