"""Arrays of an npz a stretch at a time: the rows that numpy gives, whatever the stretches."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adm.artifacts.reading import names_in_npz, open_array, read_npy
from adm.artifacts.streaming import stretches, write_npz_rows
from adm.errors import UserError


@given(
    rows=st.integers(1, 20),
    width=st.integers(1, 3),
    length=st.integers(1, 25),
    dtype=st.sampled_from(["u1", "<i8", ">f4", "<f2"]),
    compressed=st.booleans(),
)
def test_rows_are_those_that_numpy_loads(tmp_path_factory, rows, width, length, dtype, compressed):
    path = tmp_path_factory.mktemp("streamed") / "a.npz"
    array = np.arange(rows * width * 2).reshape(rows, width, 2).astype(dtype)
    (np.savez_compressed if compressed else np.savez)(path, other=np.zeros(3), array=array)
    streamed = open_array(path, "array")
    assert (streamed.shape, streamed.dtype) == (array.shape, array.dtype)
    chunks = list(streamed.rows(length, rows))
    assert all(len(chunk) == length for chunk in chunks[:-1])
    np.testing.assert_array_equal(np.concatenate(chunks), array)


def test_rows_can_be_read_again_and_only_in_part(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, np.arange(1000))
    streamed = open_array(path, "arr_0")
    assert next(streamed.rows(10, 1000)).tolist() == list(range(10))
    assert sum(map(len, streamed.rows(7, 995))) == 995
    assert names_in_npz(path) == ["arr_0"]


def test_a_file_that_shrank_since_is_an_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, np.arange(1000))
    streamed = open_array(path, "arr_0")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match=r"a\.npz: arr_0: cannot be read"):
        list(streamed.rows(10, 1000))


def resident():
    """Bytes of mapped files in this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what is in memory")
def test_rows_of_a_mapped_file_leave_memory(tmp_path):
    count, width = 1 << 14, 1 << 10
    parts = np.arange(count >> 10, dtype=np.float32)
    np.save(tmp_path / "a.npy", parts.repeat(1 << 10)[:, None].repeat(width, axis=1))
    mapped = read_npy(tmp_path / "a.npy", "float32", (count, width))
    before, most, seen = resident(), 0, []
    for rows in stretches(mapped[: count // 2], 1000):
        seen.append(rows.sum(axis=1, dtype=np.float64))
        most = max(most, resident() - before)
    assert most < mapped.nbytes / 8
    assert np.concatenate(seen).tolist() == [1024.0 * (row >> 10) for row in range(count // 2)]


def test_what_was_written_over_a_mapped_file_is_kept(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(10))
    copy = np.load(tmp_path / "a.npy", mmap_mode="c")
    copy[:] = np.arange(10)
    assert [rows.tolist() for rows in stretches(copy, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert copy.tolist() == list(range(10))


@pytest.mark.parametrize("lengths", [[23], [5, 5, 5, 5, 3], [0, 20, 0, 3], [0]])
def test_an_npz_written_in_stretches_has_the_bytes_that_numpy_writes(tmp_path, lengths):
    images = np.random.default_rng(0).integers(0, 256, (sum(lengths), 4, 4, 3)).astype(np.uint8)
    labels = np.arange(sum(lengths))
    np.savez(tmp_path / "numpy.npz", arr_0=images, arr_1=labels)
    ends = np.cumsum(lengths)[:-1]
    stretches = {"arr_0": (len(images), np.split(images, ends)), "arr_1": (len(labels), np.split(labels, ends))}
    write_npz_rows(tmp_path / "stretches.npz", **stretches)
    assert (tmp_path / "stretches.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()
