"""Near-duplicates are found whatever was done to a copy, and are never on both sides of a held-out split."""

from io import BytesIO

import numpy as np
import pytest
from making import make
from PIL import Image

from adm.artifacts.manifest import read_manifest
from adm.data.duplicates import first_alike, thumbnail
from adm.data.shards import ImageShards
from adm.data.sources.source import held_out_of
from adm.errors import UserError
from adm.params.data import DatasetParams
from adm.stages import prepare

RNG = np.random.default_rng(0)


def pictures(count, side=48):
    """Pictures with shapes of several sizes and colours, as photographs have; no two are alike."""
    coarse = RNG.integers(0, 256, (count, 7, 7, 3), np.uint8)
    return [np.asarray(Image.fromarray(image).resize((side, side))) for image in coarse]


def compressed(image):
    content = BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=60)
    return np.asarray(Image.open(content))


def resized(image, side=20):
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


COPIES = {
    "copy": np.array,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "compressed": compressed,
    "smaller": resized,
    "larger": lambda image: resized(image, 100),
    "smaller and mirrored": lambda image: resized(np.ascontiguousarray(image[:, ::-1])),
}


def groups(first):
    return {tuple(np.flatnonzero(first == index)) for index in first}


def test_copies_are_found_and_nothing_else():
    originals = pictures(1100)  # more than are compared at once
    copied = RNG.choice(1100, 30 * len(COPIES), replace=False)
    copies = [how(originals[index]) for how, index in zip([*COPIES.values()] * 30, copied, strict=True)]
    first = first_alike(np.stack([thumbnail(image) for image in originals + copies]))
    assert first.tolist() == [*range(1100), *copied]


def test_groups_do_not_depend_on_the_order_of_files():
    # Each is like the one before it, the last is unlike the first: all are linked.
    start, end = (image.astype(float) for image in pictures(2))
    chain = [(start + (end - start) * step / 40).astype(np.uint8) for step in range(41)]
    thumbnails = np.stack([thumbnail(image) for image in chain + pictures(20)])
    found = groups(first_alike(thumbnails))
    assert tuple(range(41)) in found
    order = RNG.permutation(len(thumbnails))
    assert {tuple(sorted(order[list(group)])) for group in groups(first_alike(thumbnails[order]))} == found


def test_skies_are_not_alike():
    skies = [
        (RNG.normal(200, 2, (48, 48, 1)) + RNG.normal(0, 3, (8, 8, 1)).repeat(6, 0).repeat(6, 1)) for _ in range(9)
    ]
    thumbnails = np.stack([thumbnail(sky.clip(0, 255).astype(np.uint8).repeat(3, 2)) for sky in skies])
    assert len(groups(first_alike(thumbnails))) == 9


def write(folder, images):
    for name, image in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)


def prepared(root, out, **changes):
    section = {"source": "folder", "root": str(root), "image_size": 20, "num_classes": 2, "held_out": 0.3} | changes
    make(prepare, DatasetParams(**section), out)
    return [ImageShards(out, 20, parts=(part,)) for part in ("training", "held_out")]


@pytest.mark.parametrize("stored", ["pixels", "files"])
def test_no_copy_of_a_training_image_is_held_out(tmp_path, caplog, stored):
    originals = pictures(20)
    images = {f"{'ab'[number % 2]}/{number:02}.png": image for number, image in enumerate(originals)}
    for number, image in enumerate(originals[:12]):
        copy = list(COPIES.values())[number % len(COPIES)](image)
        images[f"{'ba'[number % 2]}/{number * 7 % 12}-copy.png"] = copy  # of the other class
    write(tmp_path / "photos", images)
    with caplog.at_level("INFO"):
        training, held_out = prepared(tmp_path / "photos", tmp_path / "out", stored=stored)
    seen, unseen = (np.stack([thumbnail(image) for image in part[:]]) for part in (training, held_out))
    first = first_alike(np.concatenate([seen, unseen]))
    assert len(np.unique(first)) == 20
    assert not set(first[: len(seen)]) & set(first[len(seen) :])
    assert len(np.unique(first[len(seen) :])) == 6
    assert "24 near-duplicates in 12 groups" in caplog.text


def test_where_none_are_alike_the_same_images_are_held_out_as_before(tmp_path, caplog):
    images = pictures(30, side=20)
    write(tmp_path / "photos", {f"{'ab'[number // 15]}/{number:02}.png": image for number, image in enumerate(images)})
    with caplog.at_level("INFO"):
        _, held_out = prepared(tmp_path / "photos", tmp_path / "out")
    chosen = np.flatnonzero(held_out_of(np.repeat([0, 1], 15), 0.3))
    assert np.array_equal(held_out[:], np.stack([images[index] for index in chosen]))
    assert read_manifest(tmp_path / "out", "prepare").facts["held_out_images"] == 9
    assert "near-duplicates in" not in caplog.text


def test_a_folder_of_one_image_many_times_holds_none_out(tmp_path):
    write(tmp_path / "photos", {f"{'ab'[number % 2]}/{number}.png": pictures(1)[0] * 0 for number in range(20)})
    with pytest.raises(UserError, match=r"held_out 0\.3 leaves 0 of 20 images for the part 'held_out'"):
        prepared(tmp_path / "photos", tmp_path / "out")
