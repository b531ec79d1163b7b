"""Stored files: what `prepare` keeps, and the squares and random crops that are cut from it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from making import make, refusal_of
from PIL import Image

from adm.data.batches import Batches, to_unit_range
from adm.data.crops import Crop, draw_crop
from adm.data.shards import ImageShards
from adm.params.data import DatasetParams
from adm.stages import prepare

# Of each random crop of the reference: the short side, the corner, and the largest corner that could have been drawn.
RANDOM_CROPS = {
    0: [(38, 6, 13, 6, 22), (34, 2, 2, 2, 17), (32, 0, 1, 0, 14)],
    1: [(34, 14, 1, 17, 2), (35, 17, 2, 18, 3), (34, 11, 0, 17, 2)],
    2: [(32, 26, 0, 68, 0), (33, 41, 1, 71, 1), (38, 82, 3, 87, 6)],
    3: [(75, 5, 0, 11, 83), (76, 10, 63, 12, 85), (77, 7, 24, 13, 87)],
    4: [(73, 8, 4, 9, 9), (79, 3, 13, 15, 15), (79, 3, 13, 15, 15)],
    5: [(78, 67, 9, 117, 14), (73, 80, 5, 106, 9), (80, 46, 5, 122, 16)],
}
SIDES = {0: 32, 1: 32, 2: 32, 3: 64, 4: 64, 5: 64}


def params(root, source="lsun", **changes):
    section = {"source": source, "root": str(root), "num_classes": 1 if source == "lsun" else 2, "stored": "files"}
    return DatasetParams(**section | changes)


def save_all(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def golden_store(more_golden, tmp_path_factory):
    """The reference's images, prepared as files; they are PNGs, which lose nothing."""
    folder = tmp_path_factory.mktemp("golden")
    save_all(folder / "raw", [more_golden[f"crop/{key}/image"] for key in RANDOM_CROPS])
    make(prepare, params(folder / "raw", shard_size=4), folder / "store")
    return folder / "store"


@pytest.mark.parametrize("key", RANDOM_CROPS)
def test_centre_crops_are_the_references(golden_store, more_golden, key):
    found = ImageShards(golden_store, SIDES[key])[np.array([key])]
    assert np.array_equal(found[0], more_golden[f"crop/{key}/centre"])


@pytest.mark.parametrize("key", RANDOM_CROPS)
def test_random_crops_are_the_references(golden_store, more_golden, key):
    images = ImageShards(golden_store, SIDES[key])
    ((height, width),) = images.shapes(np.array([key]))
    for number, (*drawn, highest_top, highest_left) in enumerate(RANDOM_CROPS[key]):
        ranges, values = [], iter(drawn)

        def draw(low, high, ranges=ranges, values=values):
            ranges.append((low, high))
            return next(values)

        crop = draw_crop(height, width, SIDES[key], draw)
        assert ranges == [(SIDES[key], SIDES[key] * 5 // 4), (0, highest_top), (0, highest_left)]
        assert crop == Crop(*drawn)
        found = images.cut(np.array([key]), SIDES[key], [crop])
        assert np.array_equal(found[0], more_golden[f"crop/{key}/random/{number}"])


def all_crops(image, size):
    """Every random crop of an image that need not be halved, by its bytes, cut by Pillow alone."""
    crops = set()
    for side in range(size, -(-size * 5 // 4) + 1):
        scale = side / min(image.shape[:2])
        shape = round(image.shape[1] * scale), round(image.shape[0] * scale)
        resized = np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC))
        for top in range(resized.shape[0] - size + 1):
            for left in range(resized.shape[1] - size + 1):
                crops.add(resized[top : top + size, left : left + size].tobytes())
    return crops


@pytest.fixture
def pictures(tmp_path):
    """Six images of several shapes, and the store of their files."""
    rng = np.random.default_rng(0)
    shapes = [(12, 20), (15, 9), (11, 11), (10, 31), (14, 13), (9, 10)]
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    make(prepare, params(save_all(tmp_path / "raw", images), shard_size=4), tmp_path / "store")
    return images, tmp_path / "store"


def test_a_random_batch_is_cut_from_source_images(pictures):
    images, store = pictures
    possible = [{to_unit_range(as_one(crop, 8)).numpy().tobytes() for crop in all_crops(image, 8)} for image in images]
    batches = Batches(ImageShards(store, 8), 8, 6, "random", False, seed=3)
    seen = set()
    for step in range(8):  # an epoch is a step
        found = [x.numpy().tobytes() for x in batches.at(step)[0].split(1)]
        owners = [next(number for number, crops in enumerate(possible) if x in crops) for x in found]
        assert sorted(owners) == list(range(6))
        seen |= set(found)
    assert len(seen) > 24  # each image is cropped in several ways


def as_one(crop, size):
    return np.frombuffer(crop, np.uint8).reshape(1, size, size, 3).copy()


@pytest.mark.parametrize("crop", ["centre", "random"])
def test_any_number_of_threads_reads_the_same(pictures, crop):
    _, store = pictures
    alone, together = (Batches(ImageShards(store, 8, threads=n), 8, 4, crop, True, seed=3) for n in (1, 3))
    expected = [alone.at(step)[0] for step in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = [x_0 for x_0, _ in pool.map(together.at, range(20))]
    assert all(map(torch.equal, found, expected))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of images of several formats, modes and sizes."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    modes = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}
    endings = {"L": "jpg", "RGB": "webp", "RGBA": "png", "CMYK": "jpeg"}
    for label in "ab":
        (root / label).mkdir()
        for number in range(9):
            mode = list(modes)[number % 4]
            width, height = rng.integers(9, 60, 2).tolist()
            pixels = rng.integers(0, 256, (height, width, modes[mode]), dtype=np.uint8)
            image = Image.frombytes(mode, (width, height), pixels.tobytes())
            image.save(root / label / f"{number}.{endings[mode]}")
    return root


@pytest.mark.parametrize("side", [8, 21])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_read_at_a_side_are_what_was_prepared_at_it(photos, tmp_path, side, channels):
    changes = {"channels": channels, "held_out": 0.3, "classes": [1, 0], "shard_size": 5}
    make(prepare, params(photos, "folder", **changes), tmp_path / "files")
    make(prepare, params(photos, "folder", stored="pixels", image_size=side, **changes), tmp_path / "pixels")
    for part in (("training",), ("held_out",), ("training", "held_out")):
        files, pixels = (ImageShards(tmp_path / name, side, parts=part) for name in ("files", "pixels"))
        assert len(files) == len(pixels) > 0
        assert np.array_equal(files[:], pixels[:])
        assert files.labels.tolist() == pixels.labels.tolist()
        assert (files.height, files.width) == (side, side)


def test_a_grey_random_crop_has_equal_channels(photos, tmp_path):
    make(prepare, params(photos, "folder", channels=1), tmp_path / "files")
    x_0 = Batches(ImageShards(tmp_path / "files", 8), 8, 18, "random", False, seed=0).at(0)[0]
    assert torch.equal(x_0[:, :1].expand(-1, 3, -1, -1), x_0)


def test_the_bytes_of_files_are_kept(photos, tmp_path):
    make(prepare, params(photos, "folder", shard_size=7), tmp_path / "files")
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "files").glob("*.bin")))
    assert kept == b"".join(path.read_bytes() for path in sorted(photos.glob("*/*")))


def test_a_file_that_cannot_be_decoded_is_refused_before_it_is_kept(photos, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    whole = (photos / "a" / "1.webp").read_bytes()
    (raw / "0.webp").write_bytes(whole)
    (raw / "1.webp").write_bytes(whole[: len(whole) // 2])
    assert "1.webp: is no readable image" in refusal_of(make, prepare, params(raw), tmp_path / "files")
    assert not (tmp_path / "files").exists()
