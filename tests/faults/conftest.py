"""Children that fail, are killed, or find a disk full, and a small project for them to work in."""

import importlib.util
from pathlib import Path

import pytest
import yaml
from children import Children

WORKFLOW = Path(__file__).parents[1] / "workflow" / "miniature.py"


@pytest.fixture(scope="session")
def miniature():
    """The module of the project in miniature, on which the engines are tested."""
    spec = importlib.util.spec_from_file_location("miniature", WORKFLOW)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def children(tmp_path_factory):
    """Run verbs in children; see `children.Children`."""
    served = Children(tmp_path_factory.mktemp("children"))
    yield served
    served.close()


@pytest.fixture(scope="session")
def faulty(children):
    """Children in which faults can be injected."""
    if children.shim is None:
        pytest.skip("faults are injected below the C library: needs Linux and a C compiler")
    return children


@pytest.fixture(scope="session")
def write_params():
    """Write a params file that lacks what no table, figure or claim asks for: it is read in a moment."""

    def write(folder, params):
        folder.mkdir(exist_ok=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    return write
