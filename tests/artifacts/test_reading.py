"""Files that are damaged, foreign or of the wrong kind are refused in one line that names them."""

import numpy as np
import pytest
import torch
from making import refusal_of
from safetensors.torch import save

from adm.artifacts.reading import read_json, read_npy, read_npz
from adm.nets.weights import read_tensors

EXPECTED = {"x": ("float64", (None, 3))}
GOOD = np.arange(60.0).reshape(20, 3)


def refusal(read, path, *arguments):
    message = refusal_of(read, path, *arguments)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.fixture
def npz(tmp_path):
    return tmp_path / "a.npz"


@pytest.fixture
def npy(tmp_path):
    return tmp_path / "a.npy"


def test_good_arrays_are_read(npz, npy):
    np.savez(npz, x=GOOD, other=GOOD)
    assert np.array_equal(read_npz(npz, EXPECTED)["x"], GOOD)
    np.save(npy, GOOD)
    mapped = read_npy(npy, "float64", (20, None))
    assert np.array_equal(mapped, GOOD)
    assert not mapped.flags.writeable


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", [GOOD, np.asfortranarray(GOOD), GOOD[:0]])
def test_arrays_of_an_npz_can_be_mapped(npz, save, array):
    save(npz, before=GOOD, x=array, behind=GOOD)
    found = read_npz(npz, {**EXPECTED, "behind": EXPECTED["x"]}, mapped=["x"])
    assert np.array_equal(found["x"], array)
    assert found["x"].dtype == array.dtype
    assert isinstance(found["x"], np.memmap) == (save is np.savez)
    assert np.array_equal(found["behind"], GOOD)


def test_a_missing_file_is_named(npz):
    assert refusal(read_npz, npz, EXPECTED) == "does not exist"
    assert refusal(read_npy, npz, "float64", (3,)) == "does not exist"
    assert refusal(read_json, npz) == "does not exist"
    assert refusal(read_tensors, npz, {}) == "does not exist"


WRONG_CONTENT = {
    "dtype": (GOOD.astype(np.float32), "has dtype float32, not float64"),
    "shape": (GOOD.T.copy(), "has shape (3, 20), not (any, 3)"),
    "rank": (GOOD.ravel(), "has shape (60,), not (any, 3)"),
    "nan": (np.where(GOOD < 2, np.nan, GOOD), "holds 2 values that are NaN or infinite"),
    "infinity": (np.where(GOOD == 7, -np.inf, GOOD), "holds 1 values that are NaN or infinite"),
}


@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_wrong_content_is_described(npz, npy, case):
    array, message = WRONG_CONTENT[case]
    np.savez(npz, x=array)
    assert refusal(read_npz, npz, EXPECTED) == f"x: {message}"
    np.save(npy, array)
    assert refusal(read_npy, npy, *EXPECTED["x"]) == message


def test_an_array_that_is_not_there_is_named_with_those_that_are(npz):
    np.savez(npz, y=GOOD, z=GOOD)
    assert refusal(read_npz, npz, EXPECTED) == "holds no array 'x'; it has y, z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is no readable JSON"),
        (b"[1, 2]", "holds a JSON list, not an object"),
    ],
)
def test_what_is_no_json_object_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert refusal(read_json, path).startswith(message)


LIKE = {"a": torch.zeros(2, 3), "b": torch.zeros(4)}


def test_good_tensors_are_read_in_the_order_asked_for(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"b": torch.ones(4), "a": torch.ones(2, 3)}))
    tensors = read_tensors(path, LIKE)
    assert list(tensors) == ["a", "b"]
    assert all((tensor == 1).all() for tensor in tensors.values())


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"a": torch.zeros(3, 2)},
            "2 tensors differ: a is float32 (3, 2), not float32 (2, 3); b is missing, not float32 (4,)",
        ),
        ({**LIKE, "b": torch.zeros(4, dtype=torch.float16)}, "1 tensor differs: b is float16 (4,), not float32 (4,)"),
        ({**LIKE, "c": torch.zeros(1)}, "1 tensor differs: c is float32 (1,), not expected"),
    ],
)
def test_other_tensors_are_described(tmp_path, tensors, message):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save(tensors))
    assert refusal(read_tensors, path, LIKE) == f"is of another architecture; {message}"
