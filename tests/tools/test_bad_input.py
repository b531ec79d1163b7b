"""Whatever is wrong with the input of `adm score`: one line that names it, exit code 2, and nothing written."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)


class Touches:
    """Runs code when it is unpickled."""

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
    content = bytearray(npz(path, arr_0=PIXELS).read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    return path


def entry(path, name, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def short_entry(path):
    """A header that promises more rows than follow."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": (12, 8, 8, 3), "fortran_order": False, "descr": "|u1"})
    return entry(path, "arr_0.npy", buffer.getvalue() + PIXELS[:5].tobytes())


def pickled(path):
    path.write_bytes(pickle.dumps(Touches(path.with_name("touched"))))
    return path


def objects(path):
    np.savez(path, arr_0=np.array([Touches(path.with_name("touched"))], dtype=object))
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
    "empty file": (lambda p: written(p / "a.npz", b""), "a.npz: is no readable npz"),
    "text": (lambda p: written(p / "a.npz", b"these are no images"), "a.npz: is no readable npz"),
    "truncated npz": (lambda p: truncated(p / "a.npz"), "a.npz: is no readable npz, truncated"),
    "almost whole npz": (lambda p: truncated(p / "a.npz", 0.99), "a.npz: is no readable npz, truncated"),
    "damaged npz": (
        lambda p: damaged(p / "a.npz"),
        "a.npz: is no readable npz, truncated or of another format (Bad CRC",
    ),
    "pickle": (lambda p: pickled(p / "a.npz"), "a.npz: is no readable npz"),
    "pickled objects": (lambda p: objects(p / "a.npz"), "arr_0: holds pickled Python objects, which are never loaded"),
    "no arrays": (lambda p: entry(p / "a.npz", "readme.txt", "x"), "holds no array 'arr_0'; it has none"),
    "other names": (lambda p: npz(p / "a.npz", images=PIXELS), "holds no array 'arr_0'; it has images"),
    "entry that is no array": (lambda p: entry(p / "a.npz", "arr_0.npy", "text"), "arr_0: is no array"),
    "entry cut short": (lambda p: short_entry(p / "a.npz"), "arr_0: ends after 5 rows"),
    "floats": (lambda p: npz(p / "a.npz", arr_0=PIXELS / 255), "arr_0: has dtype float64, not uint8"),
    "NaN": (lambda p: npz(p / "a.npz", arr_0=np.full((9, 8, 8, 3), np.nan)), "arr_0: has dtype float64, not uint8"),
    "signed bytes": (lambda p: npz(p / "a.npz", arr_0=PIXELS.astype(np.int8)), "arr_0: has dtype int8, not uint8"),
    "channels first": (
        lambda p: npz(p / "a.npz", arr_0=PIXELS.transpose(0, 3, 1, 2)),
        "arr_0: has shape (12, 3, 8, 8), not",
    ),
    "gray npz": (lambda p: npz(p / "a.npz", arr_0=PIXELS[..., :1].copy()), "arr_0: has shape (12, 8, 8, 1), not"),
    "RGBA npz": (lambda p: npz(p / "a.npz", arr_0=np.zeros((9, 8, 8, 4), np.uint8)), "has shape (9, 8, 8, 4), not"),
    "one image without a batch": (lambda p: npz(p / "a.npz", arr_0=PIXELS[0]), "arr_0: has shape (8, 8, 3), not"),
    "a single value": (lambda p: npz(p / "a.npz", arr_0=np.uint8(3)), "arr_0: is a single value"),
    "Fortran order": (lambda p: npz(p / "a.npz", arr_0=np.asfortranarray(PIXELS)), "arr_0: is in Fortran order"),
    "zero images": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:0]), "arr_0: holds no image"),
    "zero pixels": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:, :0]), "arr_0: has shape (12, 0, 8, 3), not"),
    "three images": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:3]), "a.npz: holds 3 images, fewer than 4"),
    "labels of floats": (lambda p: npz(p / "a.npz", arr_0=PIXELS, arr_1=np.zeros(12)), "arr_1: has dtype float64"),
    "labels too few": (lambda p: npz(p / "a.npz", arr_0=PIXELS, arr_1=np.arange(5)), "arr_1: has shape (5,), not (12)"),
    "empty folder": (lambda p: folder(p / "f"), "f: holds no image; accepted are files that end in .jpg"),
    "gray folder": (lambda p: folder(p / "f", rgb().convert("L")), "00.png: is of mode L, not RGB"),
    "RGBA folder": (
        lambda p: folder(p / "f", rgb(), rgb().convert("RGBA"), rgb(), rgb()),
        "01.png: is of mode RGBA, not RGB",
    ),
    "palette folder": (lambda p: folder(p / "f", *[rgb().convert("P")] * 4), "00.png: is of mode P, not RGB"),
    "CMYK folder": (
        lambda p: folder(p / "f", *[rgb().convert("CMYK")] * 4, name="{:02}.jpg"),
        "00.jpg: is of mode CMYK, not RGB",
    ),
    "mixed sizes": (
        lambda p: folder(p / "f", rgb(), rgb(), rgb(), rgb(9)),
        "03.png: is 9x9, but the images before it are 8x8",
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
    "no sigma": (lambda p, b: reference(p / "r.npz", b, sigma=None), "but not sigma; statistics need all four"),
    "no spatial statistics": (
        lambda p, b: reference(p / "r.npz", b, mu_s=None, sigma_s=None),
        "holds mu, sigma, but not mu_s, sigma_s",
    ),
    "NaN in mu": (lambda p, b: reference(p / "r.npz", b, **with_nan(b, "mu")), "mu and sigma: mean or covariance hold"),
    "NaN in sigma_s": (lambda p, b: reference(p / "r.npz", b, **with_nan(b, "sigma_s")), "mu_s and sigma_s: mean or"),
    "shapes that disagree": (lambda p, b: reference(p / "r.npz", b, sigma=EYE), "mu and sigma: mean of shape"),
    "statistics of integers": (
        lambda p, b: reference(p / "r.npz", b, mu=np.arange(7)),
        "r.npz: mu: has dtype int64, not floats",
    ),
    "another graph's statistics": (
        lambda p, b: reference(p / "r.npz", b, mu=np.zeros(7), sigma=EYE),
        "mu and sigma are of 7 dimensions, but ",
    ),
    "another graph's spatial statistics": (
        lambda p, b: reference(p / "r.npz", b, mu_s=np.zeros(7), sigma_s=EYE),
        "mu_s and sigma_s are of 7 dimensions, but ",
    ),
    "pickled statistics": (
        lambda p, b: reference(p / "r.npz", b, mu=np.array([Touches(p / "touched")], dtype=object)),
        "r.npz: mu: holds pickled Python objects",
    ),
    "float images": (lambda p, b: reference(p / "r.npz", b, arr_0=PIXELS / 255), "arr_0: has dtype float64, not uint8"),
    "too few images": (lambda p, b: reference(p / "r.npz", b, arr_0=PIXELS[:2]), "r.npz: holds 2 images, fewer than 4"),
}

BAD_FLAGS = {
    "more samples than there are": (["--num-samples", 91], "holds 90 images, fewer than the 91 asked for"),
    "no graph there": (["--graph", "none.pb"], "none.pb"),
    "too few replicates": (["--replicates", 5], "--replicates 5: is too few for intervals; give 40 or more"),
    "resize without a network": (["--resize", "bicubic-224"], "--resize 'bicubic-224': is for --module"),
    "network without a resize": (["--module", "network.pt"], "--module network.pt: needs --resize"),
    "resize that is none": (["--module", "n.pt", "--resize", "224"], "--resize '224': is none; write mode-side"),
    "network that is not there": (["--module", "none.pt", "--resize", "area-8"], "none.pt: does not exist"),
    "TensorFlow on a GPU": (["--executor", "tensorflow", "--device", "cuda"], "is not for executor 'tensorflow'"),
    "a device that is none": (["--device", "abacus"], "--device 'abacus': String should match pattern"),
}


def check(result, message, tmp_path, before):
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_bad_samples(adm, graph, batches, tmp_path, case):
    make, message = BAD_SAMPLES[case]
    samples = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    arguments = [samples, batches / "both.npz", "--graph", graph, "--out", tmp_path / "out.json", "--threads", 1]
    check(adm("score", *arguments), message, tmp_path, before)


@pytest.mark.parametrize("case", BAD_REFERENCES)
def test_bad_references(adm, graph, batches, tmp_path, case):
    make, message = BAD_REFERENCES[case]
    bad = make(tmp_path, batches)
    before = sorted(tmp_path.rglob("*"))
    arguments = [batches / "samples.npz", bad, "--graph", graph, "--out", tmp_path / "out.json", "--threads", 1]
    check(adm("score", *arguments), message, tmp_path, before)


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags(adm, graph, batches, tmp_path, monkeypatch, case):
    flags, message = BAD_FLAGS[case]
    monkeypatch.chdir(tmp_path)
    arguments = [batches / "samples.npz", batches / "both.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    check(adm("score", *arguments, "--threads", 1, *flags), message, tmp_path, [])


@pytest.mark.parametrize("flag", ["--further", "--per-class"])
def test_what_needs_images_is_refused_without_them(adm, graph, batches, tmp_path, flag):
    arguments = [batches / "samples.npz", batches / "statistics.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    check(adm("score", *arguments, flag), "holds statistics alone", tmp_path, [])


def test_classes_need_labels(adm, graph, batches, tmp_path):
    arguments = [batches / "unlabelled.npz", batches / "images.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    check(adm("score", *arguments, "--per-class"), "unlabelled.npz: has no labels arr_1", tmp_path, [])


def test_a_folder_is_no_place_for_the_scores(adm, graph, batches, tmp_path):
    arguments = [batches / "samples.npz", batches / "both.npz", "--graph", graph, "--out", tmp_path]
    check(adm("score", *arguments), f"--out {tmp_path}: is a folder", tmp_path, [])


class Fails(torch.nn.Module):
    """Takes images of another size than it is given."""

    def forward(self, x):
        return x.reshape(-1, 3 * 99 * 99)


class Flat(torch.nn.Module):
    """Returns a number an image, not features."""

    def forward(self, x):
        return x.mean((1, 2, 3))


class Nothing(torch.nn.Module):
    """Returns NaN."""

    def forward(self, x):
        return x.flatten(1) * float("nan")


BAD_NETWORKS = {
    "text": (lambda path: path.write_bytes(b"no network"), "is no TorchScript and no exported program"),
    "weights alone": (
        lambda path: torch.save({"a": torch.zeros(1)}, path),
        "is no TorchScript and no exported program",
    ),
    "code": (lambda path: path.write_bytes(pickle.dumps(Touches(path.with_name("touched")))), "is no TorchScript"),
    "another size": (lambda path: torch.jit.script(Fails()).save(str(path)), "fails on images of (3, 8, 8)"),
    "no features": (
        lambda path: torch.jit.script(Flat()).save(str(path)),
        "returns (64,), not a tensor (64, features)",
    ),
    "NaN": (lambda path: torch.jit.script(Nothing()).save(str(path)), "returns NaN or infinity"),
}


@pytest.mark.parametrize("case", BAD_NETWORKS)
def test_bad_networks(adm, graph, batches, tmp_path, case):
    write, message = BAD_NETWORKS[case]
    write(tmp_path / "network.pt")
    arguments = [batches / "samples.npz", batches / "images.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    flags = ["--module", tmp_path / "network.pt", "--resize", "bilinear-16"]
    check(adm("score", *arguments, "--threads", 1, *flags), message, tmp_path, [tmp_path / "network.pt"])
