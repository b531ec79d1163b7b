"""Arrays: whatever an npz, npy or IDX file holds, it is read, or refused in one line before memory is taken."""

import gzip
import struct
import zipfile

import numpy as np
import pytest
from damage import damaged, declared, lying_zips, npy, npys, refusal, rezipped, rows, saved, zipped
from hypothesis import given
from hypothesis import strategies as st

from adm.artifacts.reading import names_in_npz, open_array, read_npy, read_npz
from adm.data.images import labels_of, open_images
from adm.data.sources.idx import read_idx
from adm.metrics.statistics import read_published_statistics

PIXELS = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
GOOD = {
    "x": rows(20),
    "arr_0": PIXELS,
    "arr_1": np.arange(6),
    **dict.fromkeys(("mu", "mu_s"), np.zeros(3, np.float32)),
    **dict.fromkeys(("sigma", "sigma_s"), np.asfortranarray(np.eye(3))),
}
NPZ = [saved(np.savez, **GOOD), saved(np.savez_compressed, **GOOD)]
NPY = saved(np.save, rows(20))
IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", 5, 4, 3) + bytes(range(60))


def stream(path):
    for name in names_in_npz(path):
        if name in ("x", "arr_0"):
            array = open_array(path, name)
            for chunk in array.rows(3, sum(array.shape[:1])):
                assert len(chunk) <= 3


def score(path):
    images = open_images(path)
    assert sum(map(len, images.chunks(4))) == images.count
    labels = labels_of(images)
    assert labels is None or len(labels) == images.count


def read_x(path):
    (array,) = read_npz(path, {"x": ("float64", (None, 3))}).values()
    assert array.dtype == np.float64
    assert array.shape[1:] == (3,)
    assert np.isfinite(array).all()


def map_x(path):
    (array,) = read_npz(path, {"x": ("float64", (None, 3))}, mapped=["x"]).values()
    assert array.shape[1:] == (3,)
    assert np.isfinite(array).all()


READERS = {
    "read_npz": read_x,
    "map_npz": map_x,
    "open_array": stream,
    "open_images": score,
    "statistics": read_published_statistics,
}


def read_rows(path):
    array = read_npy(path, "float64", (None, 3))
    assert array.shape[1:] == (3,)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Write a file; return its path, always the same for an ending."""
    folder = tmp_path_factory.mktemp("arrays")

    def write(content, ending):
        (folder / f"victim{ending}").write_bytes(content)
        return folder / f"victim{ending}"

    return write


def test_the_good_ones_are_read(write):
    for reader in READERS.values():
        for content in NPZ:
            assert refusal(write(content, ".npz"), reader) is None
    assert refusal(write(NPY, ".npy"), read_rows) is None
    assert refusal(write(IDX, ".idx"), lambda path: read_idx(path, 3)) is None


@pytest.mark.parametrize("reader", READERS)
@given(
    content=st.one_of(
        st.sampled_from(NPZ).flatmap(damaged),
        st.sampled_from(NPZ).flatmap(rezipped),
        st.sampled_from(NPZ).flatmap(lying_zips),
    )
)
def test_a_damaged_npz(write, reader, content):
    refusal(write(content, ".npz"), READERS[reader])


@pytest.mark.parametrize("reader", READERS)
@given(array=npys(), method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_an_npz_of_nonsense(write, reader, array, method):
    names = ("x", "arr_0", "mu", "sigma", "mu_s", "sigma_s")
    refusal(write(zipped(*((f"{name}.npy", array) for name in names), method=method), ".npz"), READERS[reader])


@given(content=st.one_of(damaged(NPY), npys()))
def test_a_damaged_npy(write, content):
    refusal(write(content, ".npy"), read_rows)


@given(content=damaged(IDX), num_axes=st.sampled_from([1, 3]))
def test_a_damaged_idx(write, content, num_axes):
    refusal(write(content, ".idx"), lambda path: read_idx(path, num_axes))


@given(content=st.one_of(damaged(gzip.compress(IDX, mtime=0)), damaged(IDX).map(gzip.compress)))
def test_a_damaged_gzipped_idx(write, content):
    refusal(write(content, ".gz"), lambda path: read_idx(path, 3))


@given(axes=st.lists(st.integers(0, (1 << 32) - 1), min_size=3, max_size=3), content=st.binary(max_size=100))
def test_an_idx_of_any_size(write, axes, content):
    refusal(write(IDX[:4] + struct.pack(">3I", *axes) + content, ".idx"), lambda path: read_idx(path, 3))


TERABYTES = npy(declared("(1000000000000, 3)"), bytes(900))
PICTURES = npy(declared("(1000000, 1024, 1024, 3)", "|u1"), bytes(900))
ABSURD_NPZ = {
    "a header of terabytes": zipped(("x.npy", TERABYTES), ("arr_0.npy", PICTURES)),
    "a header of terabytes, deflated": zipped(
        ("x.npy", TERABYTES), ("arr_0.npy", PICTURES), method=zipfile.ZIP_DEFLATED
    ),
    "a header of four gigabytes": zipped(("x.npy", npy("", version=(2, 0), length=0xFFFFFFFF) + bytes(900))),
    "an inflated entry that is no array": zipped(("x.npy", bytes(1 << 26)), method=zipfile.ZIP_DEFLATED),
    "a negative length": zipped(("x.npy", npy(declared("(-5, 3)"))), ("arr_0.npy", npy(declared("(-5,4,4,3)", "|u1")))),
    "a product that wraps to nothing": zipped(("x.npy", npy(declared("(4294967296, 4294967296, 3)")))),
}


@pytest.mark.parametrize("reader", ["read_npz", "map_npz", "open_array", "open_images"])
@pytest.mark.parametrize("case", ABSURD_NPZ)
def test_an_npz_that_declares_too_much(write, reader, case):
    assert refusal(write(ABSURD_NPZ[case], ".npz"), READERS[reader])


@pytest.mark.parametrize(
    "content",
    [
        TERABYTES,
        npy(declared("(4294967296, 4294967296, 3)")),
        npy(declared("(0, 3, 4611686018427387904)")),
        npy("", version=(2, 0), length=0xFFFFFFFF),
        npy(declared("(-1, 3)")),
        npy(declared("(1, 3)", "|O"), b"cos\nsystem\n(S'true'\ntR."),
        npy(declared("(20, 3)"), rows(20).tobytes(), version=(3, 0)),
        npy(declared("(20, 3)"), rows(20).tobytes(), version=(9, 9)),
        npy(declared("(20, 3)"), rows(21).tobytes()),
    ],
)
def test_an_npy_that_declares_too_much(write, content):
    assert refusal(write(content, ".npy"), read_rows)


@pytest.mark.parametrize("axes", [(0xFFFFFFFF,) * 3, (1, 1, 1 << 31), (1 << 16, 1 << 16, 1), (0, 5, 5)])
@pytest.mark.parametrize("ending", [".idx", ".gz"])
def test_an_idx_that_declares_too_much(write, axes, ending):
    content = IDX[:4] + struct.pack(">3I", *axes) + bytes(900)
    content = gzip.compress(content) if ending == ".gz" else content
    assert refusal(write(content, ending), lambda path: read_idx(path, 3))
