"""Images to score: the pixels and labels that are there, in order, from an npz or a folder."""

import numpy as np
import pytest
from PIL import Image

from adm.data.images import labels_of, open_images

PIXELS = np.random.default_rng(0).integers(0, 256, (11, 6, 5, 3)).astype(np.uint8)


@pytest.fixture
def npz(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", PIXELS, np.arange(11, dtype=np.int16))
    return tmp_path / "a.npz"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "images"
    for number, image in enumerate(PIXELS):
        path = root / ("b" if number > 6 else "a") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (root / "a" / "._00.png").write_bytes(b"what a file system left")
    return root


@pytest.mark.parametrize("limit", [None, 7])
@pytest.mark.parametrize("length", [1, 4, 20])
def test_the_first_images_come_in_order(npz, folder, limit, length):
    for path in (npz, folder):
        images = open_images(path, limit)
        expected = PIXELS[:limit]
        chunks = list(images.chunks(length))
        assert max(map(len, chunks)) <= length
        np.testing.assert_array_equal(np.concatenate(chunks), expected)
        assert (images.count, images.total, images.size) == (len(expected), 11, (6, 5))
    assert labels_of(open_images(npz, limit)).tolist() == list(range(11))[:limit]


def test_digests_tell_images_apart(npz, folder, tmp_path):
    before = open_images(folder).digest()
    assert open_images(folder).digest() == before
    assert open_images(folder, 10).digest() != before
    (folder / "b" / "10.png").rename(folder / "a" / "10.png")
    assert open_images(folder).digest() != before
    np.savez_compressed(tmp_path / "b.npz", PIXELS[::-1])
    assert open_images(npz).digest() != open_images(tmp_path / "b.npz").digest()
