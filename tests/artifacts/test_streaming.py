"""Arrays of an npz a stretch at a time: the rows that numpy gives, whatever the stretches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adm.artifacts.streaming import names_in_npz, spool, stream_npz, write_npz_rows
from adm.params.errors import UserError


@given(
    rows=st.integers(1, 20),
    width=st.integers(0, 3),
    length=st.integers(1, 25),
    dtype=st.sampled_from(["u1", "<i8", ">f4", "<f2"]),
    compressed=st.booleans(),
)
def test_rows_are_those_that_numpy_loads(tmp_path_factory, rows, width, length, dtype, compressed):
    path = tmp_path_factory.mktemp("streamed") / "a.npz"
    array = np.arange(rows * width * 2).reshape(rows, width, 2).astype(dtype)
    (np.savez_compressed if compressed else np.savez)(path, other=np.zeros(3), array=array)
    streamed = stream_npz(path, "array")
    assert (streamed.shape, streamed.dtype) == (array.shape, array.dtype)
    chunks = list(streamed.chunks(length))
    assert all(len(chunk) == length for chunk in chunks[:-1])
    np.testing.assert_array_equal(np.concatenate(chunks), array)


def test_rows_can_be_read_again_and_only_in_part(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, np.arange(1000))
    streamed = stream_npz(path, "arr_0")
    assert next(streamed.chunks(10)).tolist() == list(range(10))
    assert sum(map(len, streamed.chunks(7))) == 1000
    assert names_in_npz(path) == ["arr_0"]


def test_a_file_that_shrank_since_is_an_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, np.arange(1000))
    streamed = stream_npz(path, "arr_0")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match=r"a\.npz: is no readable npz, truncated"):
        list(streamed.chunks(10))


def test_a_spooled_array_is_written_as_if_it_had_been_in_memory(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (23, 4, 4, 3)).astype(np.uint8)
    np.savez(tmp_path / "whole.npz", array)
    with spool((array[start : start + 5] for start in range(0, 23, 5)), array.shape, tmp_path) as mapped:
        np.savez(tmp_path / "spooled.npz", mapped)
    assert (tmp_path / "spooled.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spooled.npz", "whole.npz"]


@pytest.mark.parametrize("lengths", [[23], [5, 5, 5, 5, 3], [0, 20, 0, 3], [0]])
def test_an_npz_written_in_stretches_has_the_bytes_that_numpy_writes(tmp_path, lengths):
    images = np.random.default_rng(0).integers(0, 256, (sum(lengths), 4, 4, 3)).astype(np.uint8)
    labels = np.arange(sum(lengths))
    np.savez(tmp_path / "numpy.npz", arr_0=images, arr_1=labels)
    ends = np.cumsum(lengths)[:-1]
    stretches = {"arr_0": (len(images), np.split(images, ends)), "arr_1": (len(labels), np.split(labels, ends))}
    write_npz_rows(tmp_path / "stretches.npz", **stretches)
    assert (tmp_path / "stretches.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()
