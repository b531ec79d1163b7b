"""Checkpoints: whatever a .pt or a .safetensors holds, it is read, or refused in one line, and no code of it runs."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch
from damage import damaged, lying_zips, refusal, rezipped, saved, zipped
from hypothesis import given
from hypothesis import strategies as st
from making import tiny_model
from safetensors.torch import save

from adm.nets.opening import open_network
from adm.nets.release import read_released, read_weights, to_released
from adm.nets.weights import build, model_network, read_tensors

MODEL = tiny_model()
NETWORK = model_network(MODEL)
FEW = {"time_embed.0.weight": torch.ones(2, 3), "time_embed.0.bias": torch.ones(2, dtype=torch.float16)}
LIKE = {"a": torch.zeros(2, 3), "b": torch.zeros(4)}
ZIPPED = saved(lambda file, state: torch.save(state, file), FEW)
LEGACY = saved(lambda file, state: torch.save(state, file, _use_new_zipfile_serialization=False), FEW)
TENSORS = save(LIKE, {"adm": json.dumps({"preset": "imagenet64", "source_sha256": "0" * 64})})
OF_NO_PRESET = TENSORS.replace(b"imagenet64", b"imagenet99")


def released(path):
    for name, tensor in read_released(path).items():
        assert tensor.is_floating_point(), name
        if tensor.nbytes <= tensor.untyped_storage().nbytes():
            tensor.sum()  # which reads all of it, wherever it is mapped from


def whole(path):
    weights = read_weights(path, NETWORK, "the model")
    assert list(weights) == list(NETWORK.state_dict())
    assert all(tensor.isfinite().all() for tensor in weights.values())


def like(path):
    assert list(read_tensors(path, LIKE)) == list(LIKE)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Write a file; return its path, always the same for an ending."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def write(content, ending):
        path = folder / f"victim{ending}"
        path.unlink(missing_ok=True)  # weights stay mapped from a file: it is replaced, not changed
        path.write_bytes(content)
        return path

    return write


@pytest.fixture(scope="module")
def good():
    """The bytes of a whole network."""
    torch.manual_seed(0)
    return saved(lambda file: torch.save(to_released(build(MODEL).state_dict()), file))


def test_the_good_ones_are_read(write, good):
    assert refusal(write(ZIPPED, ".pt"), released) is None
    assert refusal(write(LEGACY, ".pt"), released) is None
    assert refusal(write(good, ".pt"), whole) is None
    assert refusal(write(TENSORS, ".safetensors"), like) is None


@given(content=st.one_of(damaged(ZIPPED), rezipped(ZIPPED), lying_zips(ZIPPED)))
def test_a_damaged_checkpoint(write, content):
    refusal(write(content, ".pt"), released)


@given(data=st.data())
def test_a_damaged_network(write, good, data):
    content = data.draw(st.one_of(damaged(good), lying_zips(good)))
    refusal(write(content, ".pt"), whole)


class Stored:
    """A storage of some values, as a pickle of torch points at one."""

    def __init__(self, numel=4, key="0", kind=torch.FloatStorage, location="cpu"):
        self.numel, self.key, self.kind, self.location = numel, key, kind, location


class Rebuilt:
    """A tensor whose pickle says what it likes of its storage."""

    def __init__(self, storage, size, stride=(1,), offset=0, function=torch._utils._rebuild_tensor_v2):
        self.storage, self.size, self.stride, self.offset, self.function = storage, size, stride, offset, function

    def __reduce__(self):
        return self.function, (self.storage, self.offset, self.size, self.stride, False, OrderedDict())


class Pointing(pickle._Pickler):
    """Pickles storages as torch does."""

    def persistent_id(self, found):
        if isinstance(found, Stored):
            return "storage", found.kind, found.key, found.location, found.numel
        return None


def pickled(state):
    return saved(lambda file: Pointing(file, 2).dump(state))


def checkpoint(state, method=zipfile.ZIP_STORED, **others):
    """A checkpoint with any pickle beside a storage of 16 bytes."""
    with zipfile.ZipFile(io.BytesIO(ZIPPED)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    names = {name.partition("/")[2]: name for name in entries}
    content = state if isinstance(state, bytes) else pickled(state)
    changed = {"data.pkl": content, "data/0": bytes(16), "data/1": bytes(8)} | others
    return zipped(*((whole, changed.get(short, entries[whole])) for short, whole in names.items()), method=method)


NAME = "time_embed.0.bias"
_numbers = st.sampled_from([-(1 << 63), -1, 0, 1, 2, 4, 5, 1 << 16, 1 << 31, 10**12, (1 << 63) - 1, 1 << 64])


@given(
    numel=_numbers,
    size=st.lists(_numbers, max_size=3).map(tuple),
    stride=st.lists(_numbers, max_size=3).map(tuple),
    offset=_numbers,
    key=st.sampled_from(["0", "0", "1", "none", "../data.pkl", ""]),
    kind=st.sampled_from([torch.FloatStorage, torch.HalfStorage, torch.LongStorage, torch.UntypedStorage]),
    location=st.sampled_from(["cpu", "cpu", "cuda:0", "meta", "nowhere"]),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_tensors_that_declare_anything(write, numel, size, stride, offset, key, kind, location, method):
    tensor = Rebuilt(Stored(numel, key, kind, location), size, stride, offset)
    refusal(write(checkpoint({NAME: tensor}, method), ".pt"), released)


class Touches:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("code ran",)


ABSURD = {
    "terabytes": checkpoint({NAME: Rebuilt(Stored(10**12), (10**12,))}),
    "terabytes, deflated": checkpoint({NAME: Rebuilt(Stored(10**12), (10**12,))}, zipfile.ZIP_DEFLATED),
    "more than is stored": checkpoint({NAME: Rebuilt(Stored(10**8), (10**8,))}),
    "more than is stored, deflated": checkpoint({NAME: Rebuilt(Stored(10**8), (10**8,))}, zipfile.ZIP_DEFLATED),
    "a tensor beyond its storage": checkpoint({NAME: Rebuilt(Stored(), (10**8,))}),
    "an offset beyond its storage": checkpoint({NAME: Rebuilt(Stored(), (1,), (1,), 10**8)}),
    "a negative stride": checkpoint({NAME: Rebuilt(Stored(), (4,), (-1,))}),
    "a storage that is not there": checkpoint({NAME: Rebuilt(Stored(4, "9"), (4,))}),
    "a list": checkpoint([1, 2]),
    "a name that is a number": checkpoint({1: Rebuilt(Stored(), (4,))}),
    "a name with a line break": checkpoint({"a\nb": Rebuilt(Stored(), (4,))}),
    "a list in a list": checkpoint(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."),
    "a long text": checkpoint(b"\x80\x02X\xff\xff\xff\x7fabc."),
    "a place in the memo": checkpoint(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "code": checkpoint({NAME: Touches()}),
    "a pickle": pickle.dumps({NAME: Touches()}),
}


@pytest.mark.parametrize("case", ABSURD)
def test_an_absurd_checkpoint(write, case, capfd):
    assert ABSURD[case] != LEGACY
    message = refusal(write(ABSURD[case], ".pt"), released)
    assert message
    assert "code ran" not in capfd.readouterr().out


def header(tensors, length=None, values=bytes(40)):
    """A safetensors file of any header."""
    text = tensors if isinstance(tensors, bytes) else json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + values


def tensor(shape=(2, 3), dtype="F32", start=0, end=24):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


B = tensor((4,), start=24, end=40)
ABSURD_TENSORS = {
    "terabytes": header({"a": tensor((10**12,), end=4 * 10**12), "b": B}),
    "a shape of terabytes": header({"a": tensor((10**12,)), "b": B}),
    "a shape that wraps": header({"a": tensor((1 << 32, 1 << 32, 6)), "b": B}),
    "a shape beyond words": header({"a": tensor((1 << 70,)), "b": B}),
    "a negative shape": header({"a": tensor((-1, 3)), "b": B}),
    "offsets that run backwards": header({"a": tensor(start=24, end=0), "b": B}),
    "tensors that overlap": header({"a": tensor(), "b": tensor((4,), start=8, end=24)}),
    "a gap": header({"a": tensor(), "b": tensor((4,), start=25, end=41)}),
    "a header of terabytes": header({"a": tensor(), "b": B}, 10**12),
    "a header of all words": header({"a": tensor(), "b": B}, (1 << 64) - 1),
    "no header": header(b"", 0),
    "lists in lists": header(b"[" * 50_000),
    "mappings in mappings": header(b'{"a":' * 50_000),
    "a type that is none": header({"a": tensor(dtype="F99"), "b": B}),
    "a type of four bits": header({"a": tensor((6, 8), "F4"), "b": B}),
    "a name with a line break": header({"a\nb": tensor(), "b": B}),
    "metadata that are no texts": header({"__metadata__": {"adm": 1}, "a": tensor(), "b": B}),
}


@pytest.mark.parametrize("case", ABSURD_TENSORS)
def test_absurd_tensors(write, case):
    path = write(ABSURD_TENSORS[case], ".safetensors")
    assert refusal(path, like)
    assert refusal(path, open_network)


@pytest.mark.parametrize("origin", ["", "[]", "1", '{"preset": 3}', '{"preset": "a\\nb"}', "[" * 5000, "{}", "NaN"])
def test_metadata_that_tell_no_preset(write, origin):
    assert refusal(write(save(LIKE, {"adm": origin}), ".safetensors"), open_network)


@given(
    content=st.one_of(damaged(OF_NO_PRESET), st.text('[]{}:,"a0F32\\', max_size=40).map(lambda t: header(t.encode())))
)
def test_damaged_tensors(write, content):
    path = write(content, ".safetensors")
    refusal(path, like)
    refusal(path, open_network)


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from adm.nets.opening import open_network
from adm.nets.release import read_released
from adm.errors import UserError

torch.zeros(1).sum()
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (256 << 20),) * 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        read_released(path) if path.suffix == ".pt" else open_network(path)
    except UserError as error:
        assert path.name in str(error)
    else:
        raise SystemExit(f"{path.name} was read")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 64 << 10, f"{grown} kB"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_absurd_checkpoints_take_no_memory(tmp_path):
    """Torch's memory is no Python object: a process of its own, with little room, tells what it asks for."""
    paths = []
    for ending, cases in ((".pt", ABSURD), (".safetensors", ABSURD_TENSORS)):
        for number, content in enumerate(cases.values()):
            paths.append(tmp_path / f"{number}{ending}")
            paths[-1].write_bytes(content)
    done = subprocess.run([sys.executable, "-c", LIMITED, *paths], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
