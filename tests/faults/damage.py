"""Strategies that damage files, and the check that every reader must pass whatever it is given."""

import io
import json
import struct
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
from hypothesis import strategies as st

from adm.artifacts.seal import OPEN, SEAL, seal
from adm.errors import UserError

MOST_MEMORY = 64 << 20
"""Bytes that reading a file of some kilobytes may take."""

MOST_SECONDS = 60
"""No measurement: a bound that only a reader which hangs exceeds."""

NUMBERS = [
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)
    for order in ("little", "big")
]


def sealed_json(content):
    """JSON as stages seal it, of whatever it may hold."""
    content = {key: value for key, value in content.items() if key != SEAL}
    return seal((json.dumps({**content, SEAL: OPEN}, indent=2) + "\n").encode())


def flip(path, place=-1, bits=1):
    """Change some bits of a byte of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= bits
    path.write_bytes(content)


def swap(first, second):
    """Have two files or folders change places."""
    kept = first.with_name(".kept")
    first.rename(kept)
    second.rename(first)
    kept.rename(second)


def refusal(path, read, errors=(UserError,), named=None):
    """Read a file: return None, or the message of an error that the reader documents.

    Whatever else the reader raises goes through, and so fails the test. The message names the file, or `named`.
    """
    began = time.monotonic()
    tracemalloc.start()
    try:
        read(path)
        message = None
    except errors as error:
        message = str(error)
        assert message.isprintable(), message
        assert (named or path.name) in message, message
        # The memory was refused by the reader, not by the system.
        assert "MemoryError" not in message
        assert "Unable to allocate" not in message
        assert "can't allocate" not in message
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY + 8 * path.stat().st_size, peak
    assert time.monotonic() - began < MOST_SECONDS
    return message


class Content(bytes):
    """Bytes that hypothesis does not print whole; the file that failed is left in pytest's folder."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


def _spot(content, share):
    return int(share * len(content))


_shares = st.floats(0, 1, exclude_max=True)


@st.composite
def _flip(draw, content):
    spot = _spot(content, draw(_shares))
    return content[:spot] + bytes([content[spot] ^ draw(st.integers(1, 255))]) + content[spot + 1 :]


@st.composite
def _truncate(draw, content):
    return content[: _spot(content, draw(_shares))]


@st.composite
def _insert(draw, content):
    spot = _spot(content, draw(_shares))
    return content[:spot] + draw(st.binary(min_size=1, max_size=20)) + content[spot:]


@st.composite
def _overwrite(draw, content):
    spot, new = _spot(content, draw(_shares)), draw(st.sampled_from(NUMBERS))
    return content[:spot] + new + content[spot + len(new) :]


@st.composite
def _repeat(draw, content):
    start, stop = sorted(_spot(content, draw(_shares)) for _ in range(2))
    spot = _spot(content, draw(_shares))
    return content[:spot] + content[start : min(stop, start + 4096)] + content[spot:]


@st.composite
def _cut_out(draw, content):
    start, stop = sorted(_spot(content, draw(_shares)) for _ in range(2))
    return content[:start] + content[stop:]


@st.composite
def damaged(draw, content, most=4):
    """A file's bytes, damaged in one to `most` places."""
    for _ in range(draw(st.integers(1, most))):
        if content:
            content = draw(draw(st.sampled_from([_flip, _truncate, _insert, _overwrite, _repeat, _cut_out]))(content))
    return Content(content)


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@st.composite
def rezipped(draw, content):
    """A zip whose entries are renamed, dropped, written twice, compressed otherwise or damaged; its checksums fit."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, len(entries) - 1))
        name, values = entries[number]
        match draw(st.sampled_from(["rename", "drop", "twice", "damage", "swap"])):
            case "rename":
                entries[number] = (draw(st.text(st.characters(codec="utf-8"), max_size=12)), values)
            case "drop" if len(entries) > 1:
                del entries[number]
            case "twice":
                entries.append((name, draw(damaged(values))))
            case "damage":
                entries[number] = (name, draw(damaged(values)))
            case "swap":
                entries[number] = (name, draw(st.sampled_from(entries))[1])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that stands twice
        for name, values in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = draw(st.sampled_from(METHODS))
            archive.writestr(info, values)
    return Content(buffer.getvalue())


@st.composite
def lying_zips(draw, content):
    """A zip whose directory and headers lie about one number or more."""
    damage = bytearray(content)
    spots = [spot for sign in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for spot in _all(content, sign)]
    for _ in range(draw(st.integers(1, 4))):
        spot = draw(st.sampled_from(spots)) + draw(st.integers(4, 46))
        new = draw(st.sampled_from(NUMBERS))
        damage[spot : spot + len(new)] = new
    return Content(damage)


def _all(content, sign):
    spot = content.find(sign)
    while spot >= 0:
        yield spot
        spot = content.find(sign, spot + 1)


def npy(header, values=b"", version=(1, 0), length=None):
    """An npy of any header, whose length may be another than it says."""
    text = header.encode() if isinstance(header, str) else header
    size = len(text) if length is None else length
    packed = struct.pack("<H", size & 0xFFFF) if version == (1, 0) else struct.pack("<I", size & 0xFFFFFFFF)
    return b"\x93NUMPY" + bytes(version) + packed + text + values


def declared(shape, dtype="<f8", fortran=False):
    """The header of an npy."""
    return f"{{'descr': {dtype!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


_lengths = st.sampled_from([-1, 0, 1, 2, 3, 20, 255, 1 << 16, 1 << 31, 10**12, 1 << 62, 1 << 63, 1 << 64, 10**40])
_shapes = st.lists(_lengths, max_size=5).map(lambda shape: f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})")
_dtypes = st.sampled_from(
    [
        *("<f8", ">f8", "|u1", "<f4", "<i8", "|b1", "<c16", "<f2"),
        *("|O", "|S0", "|V0", "<U9999999", "<M8[s]", "nonsense"),
        *([("a", "<f8")], [("a", "|O")], [("a", "<f8", (1 << 30,))], ("<f8", (1 << 40,)), {}, None, 3, ""),
    ]
)
_literals = st.sampled_from(
    [
        *("{}", "[]", "None", "1e999", "{[]: 1}", "{'shape': (1,)}", "(" * 9000, "{" * 300, "[" * 2000 + "]" * 2000),
        *("-" * 9000 + "1", "'" + "\\N{x}" * 9, "1+" * 4000 + "1"),
        "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}",
        *("{'descr': '<f8', 'fortran_order': False, 'shape': (20L, 3L), }", "{'descr': '<f8', 'shape': (True, 3)}"),
        *("\0", "\n", "9" * 5000, "lambda: 0", "{'a': b'\\xff'}", "# -*- coding: ascii -*-", "\f  x\n y"),
    ]
)


@st.composite
def npys(draw):
    """An npy that is nonsense, or nearly."""
    header = draw(
        st.one_of(st.builds(declared, _shapes, _dtypes, st.booleans()), _literals, st.text(max_size=40), st.binary())
    )
    version = draw(st.sampled_from([(1, 0), (1, 0), (2, 0), (3, 0), (9, 9), (0, 0)]))
    length = draw(st.sampled_from([None, None, None, 0, 1, 65535, (1 << 32) - 1]))
    text = header.encode("utf-8", "surrogateescape") if isinstance(header, str) else header
    return npy(text, draw(st.binary(max_size=64)) * draw(st.sampled_from([0, 1, 8])), version, length)


def zipped(*entries, method=zipfile.ZIP_STORED):
    """A zip of (name, bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(save, *arguments, **keywords):
    """What a function writes into a file."""
    buffer = io.BytesIO()
    save(buffer, *arguments, **keywords)
    return buffer.getvalue()


def rows(num, width=3):
    """An array of float64, (num, width)."""
    return np.arange(float(num * width)).reshape(num, width)
