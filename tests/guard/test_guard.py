"""While the structure changes, what params files stand for does not."""

import json
import lzma

import pytest
from dump import FILES, dumped, kept

GONE = frozenset({"churn", "churn_range", "timestep_sampler"})
"""Fields that are no more; all files left them at the only value that is still there."""


def without_gone(value):
    if isinstance(value, dict):
        return {key: without_gone(one) for key, one in value.items() if key not in GONE}
    return [without_gone(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", FILES)
def test_params_and_jobs_are_those_of_before(name):
    before, now = json.loads(lzma.decompress(kept(name).read_bytes())), dumped(FILES[name])
    assert now["params"] == without_gone(before["params"])
    assert now["jobs"].keys() == before["jobs"].keys()
    for job, told in before["jobs"].items():
        assert now["jobs"][job] == told, job
