"""Whatever is wrong with the input of `adm score`: one line that names it, exit code 2, and nothing written."""

import numpy as np
import pytest
from damage import flip
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)


class Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def truncated(path, share=0.5):
    content = npz(path, arr_0=PIXELS).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def damaged(path):
    flip(npz(path, arr_0=PIXELS), path.stat().st_size // 2, 0xFF)
    return path


def folder(path, *images, name="{:02}.png"):
    path.mkdir()
    for number, image in enumerate(images):
        image.save(path / name.format(number))
    return path


def rgb(side=8):
    return Image.fromarray(np.full((side, side, 3), 99, np.uint8))


def broken_image(path):
    folder(path, rgb(), rgb(), rgb(), rgb())
    (path / "02.png").write_bytes((path / "02.png").read_bytes()[:40])
    return path


def written(path, content):
    path.write_bytes(content)
    return path


BAD_SAMPLES = {
    "no such file": (lambda p: p / "none.npz", "none.npz: does not exist"),
    "another format": (lambda p: written(p / "a.tar", b"tar"), "a.tar: is no npz and no folder of images"),
    "no network": (lambda p: written(p / "a.safetensors", b""), "a.safetensors: is no readable safetensors file"),
    "truncated npz": (lambda p: truncated(p / "a.npz"), "a.npz: is no readable npz, truncated"),
    "floats": (lambda p: npz(p / "a.npz", arr_0=PIXELS / 255), "arr_0: has dtype float64, not uint8"),
    "a single value": (lambda p: npz(p / "a.npz", arr_0=np.uint8(3)), "arr_0: has shape (), not (any, any"),
    "Fortran order": (lambda p: npz(p / "a.npz", arr_0=np.asfortranarray(PIXELS)), "arr_0: is in Fortran order"),
    "zero images": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:0]), "arr_0: holds no image"),
    "three images": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:3]), "a.npz: holds 3 of the 4 images"),
    "empty folder": (lambda p: folder(p / "f"), "f: holds no image; accepted are files that end in .jpg"),
    "mixed sizes": (
        lambda p: folder(p / "f", rgb(), rgb(), rgb(), rgb(9)),
        "03.png: is 9x9, and those before it 8x8",
    ),
    "broken image": (lambda p: broken_image(p / "f"), "02.png: is no readable image"),
}


def reference(path, batches, **changes):
    with np.load(batches / "both.npz") as arrays:
        kept = {**arrays, **changes}
    return npz(path, **{name: array for name, array in kept.items() if array is not None})


def with_nan(batches, name):
    with np.load(batches / "both.npz") as arrays:
        array = arrays[name].copy()
    array.flat[0] = np.nan
    return {name: array}


EYE = np.eye(7)
BAD_REFERENCES = {
    "no such file": (lambda p, b: p / "none.npz", "none.npz: does not exist"),
    "nothing of use": (lambda p, b: npz(p / "r.npz", other=PIXELS), "r.npz: holds other; a reference has mu, sigma"),
    "NaN in mu": (lambda p, b: reference(p / "r.npz", b, **with_nan(b, "mu")), "mu and sigma: mean or covariance hold"),
    "shapes that disagree": (lambda p, b: reference(p / "r.npz", b, sigma=EYE), "mu and sigma: mean of shape"),
    "another graph's statistics": (
        lambda p, b: reference(p / "r.npz", b, mu=np.zeros(7), sigma=EYE),
        "mu and sigma are of 7 dimensions, but ",
    ),
    "pickled statistics": (
        lambda p, b: reference(p / "r.npz", b, mu=np.array([Touches(p / "touched")], dtype=object)),
        "r.npz: mu: holds pickled Python objects",
    ),
    "no covariance": (
        lambda p, b: reference(p / "r.npz", b, sigma=-np.eye(32), mu=np.zeros(32)),
        "sigma: is no covariance; it must be symmetric",
    ),
    "too few images": (lambda p, b: reference(p / "r.npz", b, arr_0=PIXELS[:2]), "r.npz: holds 2 of the 4 images"),
}

BAD_FLAGS = {
    "too few samples": (["--num-samples", 3], "--num-samples 3: is too few; what is asked for takes 4 or more"),
    "more samples than there are": (["--num-samples", 91], "holds 90 of the 91 images"),
    "no graph there": (["--graph", "none.pb"], "none.pb"),
    "too few for intervals": (["--num-samples", 7, "--intervals"], "has 7 of the 8 images"),
    "a file for the features": (
        ["--cache", __file__],
        "test_bad_input.py: is a file, and features are kept in a folder",
    ),
    "TensorFlow on a GPU": (["--executor", "tensorflow", "--device", "cuda"], "is not for executor 'tensorflow'"),
    "a device that is none": (["--device", "abacus"], "device 'abacus': is none here; there are auto, cpu, cuda"),
}


@pytest.fixture
def refused(adm, graph, batches, tmp_path):
    """Score the batch, or what is given; return the one line that refuses it. Nothing is written."""

    def run(*flags, **places):
        before = sorted(tmp_path.rglob("*"))
        named = {"graph": graph, "out": tmp_path / "out.json", "threads": 1} | places
        paths = [named.pop("samples", batches / "samples.npz"), named.pop("reference", batches / "both.npz")]
        options = [word for name, value in named.items() for word in (f"--{name}", value)]
        code, out, err = adm("score", *paths, *options, *flags)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_bad_samples(refused, tmp_path, case):
    make, message = BAD_SAMPLES[case]
    assert message in refused(samples=make(tmp_path))


@pytest.mark.parametrize("case", BAD_REFERENCES)
def test_bad_references(refused, batches, tmp_path, case):
    make, message = BAD_REFERENCES[case]
    assert message in refused(reference=make(tmp_path, batches))


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags(refused, tmp_path, monkeypatch, case):
    flags, message = BAD_FLAGS[case]
    monkeypatch.chdir(tmp_path)
    assert message in refused(*flags)


def test_what_needs_images_is_refused_without_them(refused, batches):
    assert "holds statistics alone" in refused("--further", reference=batches / "statistics.npz")


def test_a_graph_of_another_network_is_refused(refused, graph, batches, tmp_path):
    changed = tmp_path / "graph.pb"
    changed.write_bytes(graph.read_bytes().replace(b"\x04Relu", b"\x04Selu"))
    told = refused(graph=changed)
    assert "Selu is unknown here; executor tensorflow runs graphs of other networks" in told
    assert str(batches) not in told
