"""While the structure changes, what params files stand for does not."""

import json
import lzma

import pytest
from dump import FILES, dumped, kept


@pytest.mark.parametrize("name", FILES)
def test_params_and_jobs_are_those_of_before(name):
    before, now = json.loads(lzma.decompress(kept(name).read_bytes())), dumped(FILES[name])
    assert now["params"] == before["params"]
    assert now["jobs"].keys() == before["jobs"].keys()
    for job, told in before["jobs"].items():
        assert now["jobs"][job] == told, job
