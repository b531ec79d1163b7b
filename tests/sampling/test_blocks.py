"""Shards cut a run into parts, whatever the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adm.errors import UserError
from adm.sampling.blocks import WHOLE, Shard, blocks_of, samples_of

sizes = {"num_samples": st.integers(1, 10_000), "micro_batch": st.integers(1, 300), "num_shards": st.integers(1, 40)}


@given(**sizes)
def test_shards_hold_every_sample_once_and_in_order(num_samples, micro_batch, num_shards):
    parts = [samples_of(Shard(i, num_shards), num_samples, micro_batch) for i in range(1, num_shards + 1)]
    assert [sample for part in parts for sample in part] == list(range(num_samples))


@given(**sizes)
def test_shards_hold_whole_blocks_that_differ_by_one_at_the_most(num_samples, micro_batch, num_shards):
    parts = [blocks_of(Shard(i, num_shards), num_samples, micro_batch) for i in range(1, num_shards + 1)]
    assert [block for part in parts for block in part] == list(blocks_of(WHOLE, num_samples, micro_batch))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for i, blocks in enumerate(parts, start=1):
        covered = range(blocks.start * micro_batch, blocks.stop * micro_batch)
        assert set(samples_of(Shard(i, num_shards), num_samples, micro_batch)) <= set(covered)


@given(st.integers(1, 50), st.integers(0, 50))
def test_a_shard_is_read_as_it_is_written(number, more):
    assert Shard.parse(f"{number}-of-{number + more}") == Shard(number, number + more)


@pytest.mark.parametrize(
    "text", ["0-of-3", "4-of-3", "1-of-0", "1of3", "-1-of-3", "1-of-3 ", "a-of-b", "", "1-of-3-of-4"]
)
def test_what_is_no_shard_is_refused_in_one_line(text):
    with pytest.raises(UserError) as error:
        Shard.parse(text)
    assert repr(text) in str(error.value)
    assert "i-of-n" in str(error.value)
    assert "\n" not in str(error.value)
