"""Graphs of 2015's kind, built once a session."""

import pytest
from inception_2015 import inception_2015


@pytest.fixture(scope="session")
def inception(tmp_path_factory):
    """The path of a graph with the Inception graph's true widths."""
    path = tmp_path_factory.mktemp("inception") / "inception.pb"
    path.write_bytes(inception_2015().SerializeToString(deterministic=True))
    return path


@pytest.fixture(scope="session")
def narrow_definition():
    """The same graph with an eighth of the channels, in bytes."""
    return inception_2015(width=1 / 8).SerializeToString(deterministic=True)
