"""Fixtures of the whole suite: the golden arrays and one-thread arithmetic."""

from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent


@pytest.fixture(scope="session")
def golden():
    with np.load(TESTS / "golden" / "reference.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}
