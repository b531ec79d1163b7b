"""Children that fail, are killed, or find a disk full, and a small project for them to work in."""

import pytest
import yaml
from children import Children


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
    """Write a params file into a folder of its own."""

    def write(folder, params):
        folder.mkdir(exist_ok=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    return write
