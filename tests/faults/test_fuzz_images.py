"""Images: whatever a file of a folder holds, it is decoded, or refused in one line."""

import struct
import zlib

import numpy as np
import pytest
from damage import damaged, refusal, saved
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adm.data.decoding import read_image
from adm.data.images import open_images

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
FORMATS = ("png", "jpeg", "webp", "bmp", "gif", "tiff")
GOOD = {name: saved(Image.fromarray(PIXELS).save, format=name) for name in FORMATS}


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Write an image, alone in its folder; return its path."""
    path = tmp_path_factory.mktemp("images") / "victim.png"

    def write(content):
        path.write_bytes(content)
        return path

    return write


def score(path):
    images = open_images(path.parent)
    assert sum(map(len, images.chunks(2))) == images.count == 1


def prepare(path):
    image = read_image(path, background="white")
    assert image.dtype == np.uint8
    assert image.shape[2:] == (3,)


@pytest.mark.parametrize("name", FORMATS)
def test_the_good_ones_are_read(write, name):
    assert refusal(write(GOOD[name]), prepare) is None


@given(content=st.sampled_from(list(GOOD.values())).flatmap(damaged))
def test_a_damaged_image(write, content):
    path = write(content)
    refusal(path, prepare)
    refusal(path, score)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, content, *chunks, depth=8, colour=2):
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunks) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


BLANK = zlib.compress(bytes(900))
ABSURD = {
    "a PNG of 16 billion pixels": png(1 << 17, 1 << 17, BLANK),
    "a PNG of no pixels": png(0, 0, BLANK),
    "a BMP of negative width": GOOD["bmp"][:18] + struct.pack("<ii", -8, 9) + GOOD["bmp"][26:],
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n",
}


@pytest.mark.parametrize("case", ABSURD)
def test_an_absurd_image(write, case):
    path = write(ABSURD[case])
    assert refusal(path, prepare)
    assert refusal(path, score)
