"""Tests that need a GPU: `make test-gpu`. Without one all are skipped, in one line of pytest's summary."""

import os

import pytest
import torch

from adm.determinism import allow_tf32, make_deterministic


def pytest_runtest_setup():
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU here")


@pytest.fixture(scope="session")
def gpu():
    """The first GPU, with the settings of a job, but not taken: the jobs that tests start take it themselves."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    make_deterministic(1)
    allow_tf32(False)
    yield torch.device("cuda", 0)
    torch.use_deterministic_algorithms(False)
