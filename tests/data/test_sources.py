"""Datasets are read, cropped, chosen from and prepared; damaged ones are refused in one line that names the file."""

import gzip
import hashlib
import os
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from making import make, refusal_of
from PIL import Image
from pydantic import ValidationError
from sklearn.datasets import load_digits

from adm.artifacts.manifest import read_manifest
from adm.data import listing
from adm.data.crops import centre_crop
from adm.data.decoding import as_grey
from adm.data.shards import ImageShards
from adm.data.sources.source import held_out_of
from adm.errors import UserError
from adm.params.data import DatasetParams
from adm.stages import prepare

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (23, 6, 6), dtype=np.uint8)
LABELS = (np.arange(23) * 7 % 5).astype(np.uint8)


def idx(array, magic=None, shape=None):
    shape = array.shape if shape is None else shape
    magic = bytes([0, 0, 8, array.ndim]) if magic is None else magic
    return magic + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def write_idx(root, images=None, labels=None, packed=False):
    root.mkdir(exist_ok=True)
    contents = {
        "train-images-idx3-ubyte": idx(IMAGES) if images is None else images,
        "train-labels-idx1-ubyte": idx(LABELS) if labels is None else labels,
    }
    for name, content in contents.items():
        if packed:
            (root / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (root / name).write_bytes(content)
    return root


def params(source, root=None, **changes):
    section = {"source": source, "image_size": 6, "num_classes": 5, "shard_size": 4} | changes
    return DatasetParams(**section, **({} if root is None else {"root": str(root)}))


@pytest.fixture
def prepared(tmp_path):
    def run(section):
        out = tmp_path / "prepared"
        make(prepare, section, out)
        shards = ImageShards(out, section.image_size)
        return SimpleNamespace(images=shards[:], labels=shards.labels, folder=out)

    return run


def refusal(section, tmp_path):
    message = refusal_of(make, prepare, section, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    return message


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_become_rgb_in_order(tmp_path, prepared, packed):
    made = prepared(params("idx", write_idx(tmp_path / "raw", packed=packed)))
    assert np.array_equal(made.images, np.stack([IMAGES] * 3, axis=-1))
    assert np.array_equal(made.labels, LABELS)
    assert made.labels.dtype == np.int64


def test_numbered_classes_get_names(tmp_path, prepared):
    folder = prepared(params("idx", write_idx(tmp_path / "raw"), num_classes=5, class_names=[*"abcde"])).folder
    assert read_manifest(folder).facts["class_names"] == [*"abcde"]


def test_shards_do_not_depend_on_how_they_are_cut(tmp_path, prepared):
    root = write_idx(tmp_path / "raw")
    first = prepared(params("idx", root, image_size=5, shard_size=1))
    second = prepared(params("idx", root, image_size=5, shard_size=1000))
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)


def test_a_view_keeps_labels_and_order(tmp_path, prepared):
    made = prepared(params("idx", write_idx(tmp_path / "raw"), classes=[3, 1]))
    kept = [i for i, label in enumerate(LABELS) if label in (1, 3)]
    assert made.labels.tolist() == LABELS[kept].tolist()
    assert np.array_equal(made.images[..., 0], IMAGES[kept])


DAMAGED_IMAGES = {
    "magic": (idx(IMAGES, magic=b"PK\x03\x04"), "starts with 504b0304, not 00000803"),
    "empty": (b"", "starts with nothing"),
    "truncated": (idx(IMAGES)[:-5], "cannot reshape array of size 823 into shape (23,6,6)"),
    "trailing": (idx(IMAGES) + b"x", "cannot reshape array of size 829 into shape (23,6,6)"),
}


@pytest.mark.parametrize("case", DAMAGED_IMAGES)
def test_damaged_idx_files_are_described(tmp_path, case):
    content, message = DAMAGED_IMAGES[case]
    found = refusal(params("idx", write_idx(tmp_path / "raw", images=content, packed=case == "truncated")), tmp_path)
    assert found.startswith(str(tmp_path / "raw" / "train-images-idx3-ubyte"))
    assert message in found


def test_labels_must_match_images(tmp_path):
    root = write_idx(tmp_path / "raw", labels=idx(LABELS[:-1]))
    assert "holds 22 labels" in refusal(params("idx", root), tmp_path)


def test_a_missing_idx_folder_says_where_to_get_one(tmp_path):
    assert "/usr/share/datasets/fashion-mnist" in refusal(params("idx", tmp_path / "raw"), tmp_path)


@pytest.fixture(scope="module")
def image_folders(tmp_path_factory):
    """Two class folders of PNGs, JPEGs and WebPs of mixed sizes and modes; what they hold, by path."""
    root = tmp_path_factory.mktemp("folders")
    rng = np.random.default_rng(1)
    made = {
        "a/2.png": ("RGB", (9, 7)),
        "a/10.JPEG": ("L", (30, 17)),
        "a/3.webp": ("RGB", (6, 6)),
        "b/x.jpg": ("RGB", (20, 41)),
        "b/y.png": ("RGBA", (8, 5)),
        "b/z.png": ("P", (5, 8)),
        "b/w.jpg": ("CMYK", (16, 16)),
    }
    channels = {"RGB": 3, "RGBA": 4, "CMYK": 4}
    for name, (mode, size) in made.items():
        (root / name).parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (size[1], size[0], channels.get(mode, 1)), dtype=np.uint8).squeeze()
        image = Image.fromarray(pixels).quantize(8) if mode == "P" else Image.frombytes(mode, size, pixels.tobytes())
        image.save(root / name)
    (root / "a" / ".hidden.png").write_bytes(b"left by a system")
    (root / "b" / "notes.txt").write_text("not an image")
    return root


def direct(root, names, size):
    images = [np.asarray(Image.open(root / name).convert("RGB")) for name in names]
    return np.stack([centre_crop(image, size) for image in images])


def test_class_folders_are_read_in_order(image_folders, prepared):
    made = prepared(params("folder", image_folders, num_classes=2, shard_size=3))
    names = ["a/10.JPEG", "a/2.png", "a/3.webp", "b/w.jpg", "b/x.jpg", "b/y.png", "b/z.png"]
    assert np.array_equal(made.images, direct(image_folders, names, 6))
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_only_the_images_of_a_view_are_read(image_folders, prepared, monkeypatch):
    opened = []
    read = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path.name) or read(path, **options))
    made = prepared(params("folder", image_folders, num_classes=2, classes=[1]))
    names = ["w.jpg", "x.jpg", "y.png", "z.png"]
    assert sorted(opened) == names
    assert made.labels.tolist() == [1] * len(names)
    assert np.array_equal(made.images, direct(image_folders, [f"b/{name}" for name in names], 6))


def test_a_flat_folder_is_one_class(image_folders, prepared):
    made = prepared(params("lsun", image_folders / "a", num_classes=1))
    assert np.array_equal(made.images, direct(image_folders / "a", ["10.JPEG", "2.png", "3.webp"], 6))
    assert made.labels.tolist() == [0, 0, 0]


def test_a_flat_folder_is_split_into_clusters_and_holds_out_what_it_would_without(tmp_path, prepared):
    (root := tmp_path / "flat").mkdir()
    colours = [(40, 40, 40), (40, 140, 40), (220, 40, 220), (220, 140, 220)]
    for number in range(80):
        pixels = np.clip(RNG.normal(colours[number * 7 % 4], 9, (6, 6, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{number:02}.png")
    make(prepare, params("lsun", root, num_classes=1, held_out=0.25), tmp_path / "plain")
    made = prepared(params("lsun", root, num_classes=4, held_out=0.25))
    assert np.array_equal(made.images, ImageShards(tmp_path / "plain", 6)[:])
    assert read_manifest(made.folder).facts["images_per_class"] == [20] * 4
    # Whatever the order of clusters, each has the images of one colour.
    nearest = np.square(made.images.mean(axis=(1, 2))[:, None] - colours).sum(axis=2).argmin(axis=1)
    assert len({*zip(made.labels.tolist(), nearest.tolist(), strict=True)}) == 4
    assert "too few for 41 clusters" in refusal(params("lsun", root, num_classes=41), tmp_path)


def test_an_unreadable_image_is_named(tmp_path, image_folders):
    root = tmp_path / "raw"
    root.mkdir()
    whole = (image_folders / "b/x.jpg").read_bytes()
    (root / "0.jpg").write_bytes(whole)
    for number, content in enumerate((b"no image", b"", whole[: len(whole) // 2]), start=1):
        bad = root / f"{number}.jpg"
        bad.write_bytes(content)
        message = refusal(params("lsun", root, num_classes=1, shard_size=100), tmp_path)
        assert message.startswith(f"{bad}: is no readable image")
        bad.unlink()


def test_folders_that_do_not_fit_are_refused(tmp_path, image_folders):
    assert "2 class folders, but num_classes is 5" in refusal(params("folder", image_folders), tmp_path)
    assert "is no folder" in refusal(params("folder", tmp_path / "none"), tmp_path)
    (tmp_path / "empty" / "a").mkdir(parents=True)
    message = refusal(params("folder", tmp_path / "empty", num_classes=1), tmp_path)
    assert message.startswith(f"{tmp_path / 'empty' / 'a'}: holds no image")


def test_views_that_cannot_be_filled_are_refused(tmp_path):
    root = write_idx(tmp_path / "raw", labels=idx(LABELS % 3))
    assert "no image of class 4" in refusal(params("idx", root, classes=[0, 4]), tmp_path)
    assert "has a class 2, but num_classes is 2" in refusal(params("idx", root, num_classes=2), tmp_path)


def test_digits_are_as_they_were(prepared):
    bundle = load_digits()
    made = prepared(params("digits", image_size=8, num_classes=10, shard_size=1024))
    grey = np.rint(bundle.images / 16 * 255).astype(np.uint8)
    assert np.array_equal(made.images, np.stack([grey] * 3, axis=-1))
    assert np.array_equal(made.labels, bundle.target)
    # Of the bytes that every earlier result was made from.
    digest = hashlib.sha256((made.folder / "images-00000.npy").read_bytes()).hexdigest()
    assert digest == "f12d7507c9c4d84271718f6780a8102c4a7a0361a91f299c95185c92e715fa2d"


WRONG_PARAMS = {
    "no root": ({"source": "idx"}, "root is missing; source 'idx' needs a folder with train-images-idx3-ubyte"),
    "unused root": ({"source": "digits", "root": "raw"}, "root 'raw' is not for source 'digits'"),
    "classes twice": ({"source": "digits", "classes": [1, 1]}, "1 stands twice"),
    "no such class": ({"source": "digits", "classes": [5]}, "classes holds 5, which is no class"),
    "too few names": ({"source": "digits", "class_names": ["a", "b"]}, "class_names has 2 names; num_classes is 5"),
    "names of folders": (
        {"source": "folder", "root": "raw", "class_names": [*"abcde"]},
        "class_names .* is not for source 'folder', but for digits and idx",
    ),
}


@pytest.mark.parametrize("case", WRONG_PARAMS)
def test_wrong_sections_are_described(case):
    changes, message = WRONG_PARAMS[case]
    with pytest.raises(ValidationError, match=message.replace("[", r"\[")):
        DatasetParams(**{"image_size": 6, "num_classes": 5, "shard_size": 4} | changes)


def test_a_grey_dataset_is_luminance_in_three_equal_channels(tmp_path, prepared):
    colours = RNG.integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
    for number, image in enumerate(colours):
        (tmp_path / "raw" / str(number)).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "raw" / str(number) / "image.png")
    made = prepared(params("folder", tmp_path / "raw", channels=1))
    # ITU-R 601-2, rounded.
    expected = np.rint(colours @ np.array([0.299, 0.587, 0.114]))
    for channel in range(3):
        assert np.abs(made.images[..., channel] - expected).max() <= 1
        assert np.array_equal(made.images[..., channel], made.images[..., 0])


def test_what_is_grey_already_stays_as_it_is_to_the_byte(tmp_path):
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, axis=-1)
    assert np.array_equal(as_grey(grey[0]), grey[0])
    root = write_idx(tmp_path / "raw")
    for channels in (1, 3):
        make(prepare, params("idx", root, image_size=5, channels=channels), tmp_path / str(channels))
    for name in ("images-00000.npy", "labels-00000.npy"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def pixels_of(shards):
    return [image.tobytes() for image in shards[:]]


def test_held_out_images_are_apart_and_nothing_is_lost(tmp_path, prepared):
    made = prepared(params("idx", write_idx(tmp_path / "raw"), held_out=0.3))
    held_out, both = (ImageShards(made.folder, parts=p) for p in (("held_out",), ("training", "held_out")))
    assert (len(made.images), len(held_out), len(both)) == (17, 6, 23)
    seen, unseen = ([image.tobytes() for image in made.images], pixels_of(held_out))
    assert not set(seen) & set(unseen)
    assert sorted(seen + unseen) == sorted(np.stack([image] * 3, axis=-1).tobytes() for image in IMAGES)
    assert pixels_of(both) == seen + unseen
    assert both.labels.tolist() == [*made.labels, *held_out.labels]
    labels = {np.stack([image] * 3, axis=-1).tobytes(): label for image, label in zip(IMAGES, LABELS, strict=True)}
    assert [labels[image] for image in unseen] == held_out.labels.tolist()
    assert read_manifest(made.folder, "prepare").facts["held_out_images"] == 6


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.29, 0.5, 0.9])
def test_every_class_holds_out_its_share(share):
    labels = np.random.default_rng(1).choice(7, size=1000, p=np.arange(1, 8) / 28)
    chosen = held_out_of(labels, share)
    assert chosen.sum() == int(1000 * share)
    for label in range(7):
        assert abs(chosen[labels == label].sum() - share * (labels == label).sum()) < 1


def test_views_of_a_source_hold_out_the_same_images(tmp_path):
    root = write_idx(tmp_path / "raw")
    whole, small, some = (
        params("idx", root, held_out=0.4, **changes) for changes in ({}, {"image_size": 3}, {"classes": [3, 1]})
    )
    for name, section in {"whole": whole, "small": small, "some": some}.items():
        make(prepare, section, tmp_path / name)
    labels = {name: ImageShards(tmp_path / name, parts=("held_out",)).labels for name in ("whole", "small")}
    assert labels["whole"].tolist() == labels["small"].tolist()
    everything, part = (ImageShards(tmp_path / name, parts=("held_out",)) for name in ("whole", "some"))
    expected = [i for i, label in zip(pixels_of(everything), everything.labels, strict=True) if label in (1, 3)]
    assert pixels_of(part) == expected


def test_a_dataset_that_holds_out_nothing_has_no_such_part(tmp_path, prepared):
    folder = prepared(params("idx", write_idx(tmp_path / "raw"))).folder
    assert len(ImageShards(folder, parts=("training", "held_out"))) == 23
    with pytest.raises(UserError, match="prepared: holds no held-out images"):
        ImageShards(folder, parts=("held_out",))


@pytest.mark.parametrize(("share", "part"), [(0.05, "1 of 23 images for the part 'held_out'"), (0.99, "'training'")])
def test_a_part_of_too_few_images_is_refused(tmp_path, share, part):
    message = refusal(params("idx", write_idx(tmp_path / "raw"), held_out=share), tmp_path)
    assert f"held_out {share} leaves" in message
    assert part in message


@pytest.mark.parametrize("source", ["folder", "lsun"])
def test_names_and_bytes_alone_identify_the_images_of_a_folder(source, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "images" / ("a" if source == "folder" else "")
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / f"{name}.png").write_text(name)
    dataset = params(source, tmp_path / "images", num_classes=1)
    known = {}

    def identified(as_before):
        found = listing.content(dataset)
        assert (str(found) in known) == as_before
        known[str(found)] = True

    identified(as_before=False)
    (folder / "notes.txt").write_text("no image")
    os.utime(folder / "one.png", (0, 0))
    identified(as_before=True)
    (folder / "one.png").write_text("ONE")
    identified(as_before=False)
    (folder / "two.png").rename(folder / "three.png")
    identified(as_before=False)
    (folder / "four.png").write_text("four")
    identified(as_before=False)
    (folder / "one.png").unlink()
    identified(as_before=False)
    # A file that looks as before is not read again.
    monkeypatch.setattr(listing, "sha256", None)
    identified(as_before=True)
