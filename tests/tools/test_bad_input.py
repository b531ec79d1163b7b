"""Whatever is wrong with the input of `adm score`: one line that names it, exit code 2, and nothing written."""

import io
import json
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from adm.metrics.torch_graph import TorchGraph

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


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def deep(path):
    """PNGs of 16 bits a channel, which Pillow cannot write."""
    path.mkdir()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(range(48)) for _ in range(8))))
    for number in range(4):
        (path / f"{number:02}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b""))
    return path


def transparent(path):
    path.mkdir()
    for number in range(4):
        rgb().save(path / f"{number:02}.png", transparency=(99, 99, 99))
    return path


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
    "truncated npz": (lambda p: truncated(p / "a.npz"), "a.npz: is no readable npz, truncated"),
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
    "channels first": (
        lambda p: npz(p / "a.npz", arr_0=PIXELS.transpose(0, 3, 1, 2)),
        "arr_0: has shape (12, 3, 8, 8), not",
    ),
    "one image without a batch": (lambda p: npz(p / "a.npz", arr_0=PIXELS[0]), "arr_0: has shape (8, 8, 3), not"),
    "a single value": (lambda p: npz(p / "a.npz", arr_0=np.uint8(3)), "arr_0: is a single value"),
    "Fortran order": (lambda p: npz(p / "a.npz", arr_0=np.asfortranarray(PIXELS)), "arr_0: is in Fortran order"),
    "zero images": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:0]), "arr_0: holds no image"),
    "three images": (lambda p: npz(p / "a.npz", arr_0=PIXELS[:3]), "a.npz: holds 3 images, fewer than 4"),
    "empty folder": (lambda p: folder(p / "f"), "f: holds no image; accepted are files that end in .jpg"),
    "gray folder": (
        lambda p: folder(p / "f", rgb().convert("L")),
        "00.png: is of mode L, not RGB with 8 bits a channel",
    ),
    "RGBA folder": (
        lambda p: folder(p / "f", rgb(), rgb().convert("RGBA"), rgb(), rgb()),
        "01.png: is of mode RGBA, not RGB",
    ),
    "palette folder": (lambda p: folder(p / "f", *[rgb().convert("P")] * 4), "00.png: is of mode P, not RGB"),
    "CMYK folder": (
        lambda p: folder(p / "f", *[rgb().convert("CMYK")] * 4, name="{:02}.jpg"),
        "00.jpg: is of mode CMYK, not RGB",
    ),
    "16 bits a channel": (lambda p: deep(p / "f"), "00.png: is of mode RGB with 16 bits, not RGB with 8 bits"),
    "a transparent colour": (lambda p: transparent(p / "f"), "00.png: is of mode RGBA, not RGB"),
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
    "no covariance": (
        lambda p, b: reference(p / "r.npz", b, sigma=-np.eye(32), mu=np.zeros(32)),
        "sigma: is no covariance; it must be symmetric",
    ),
    "lopsided covariance": (
        lambda p, b: reference(p / "r.npz", b, sigma_s=np.triu(np.ones((112, 112)))),
        "sigma_s: is no covariance; it must be symmetric",
    ),
    "too few images": (lambda p, b: reference(p / "r.npz", b, arr_0=PIXELS[:2]), "r.npz: holds 2 images, fewer than 4"),
}

BAD_FLAGS = {
    "too few samples": (["--num-samples", 3], "--num-samples 3: is too few; what is asked for takes 4 or more"),
    "too few samples for coverage": (
        ["--num-samples", 5, "--further"],
        "--num-samples 5: is too few; what is asked for",
    ),
    "more samples than there are": (["--num-samples", 91], "holds 90 images, fewer than the 91 asked for"),
    "no graph there": (["--graph", "none.pb"], "none.pb"),
    "too few for intervals": (["--num-samples", 7, "--intervals"], "has 7 images to score; 8 are needed"),
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


BAD_LABELS = {
    "none": (None, "samples.npz: has no labels arr_1"),
    "floats": (np.zeros(12), "arr_1: has dtype float64, not integers"),
    "too few": (np.arange(5), "arr_1: has shape (5,), not (12)"),
    "too large": (np.full(12, 2**63, np.uint64), "arr_1: holds 9223372036854775808, beyond"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_classes_need_labels(adm, graph, batches, tmp_path, case):
    labels, message = BAD_LABELS[case]
    samples = npz(tmp_path / "samples.npz", arr_0=PIXELS, **({} if labels is None else {"arr_1": labels}))
    arguments = [samples, batches / "images.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    check(adm("score", *arguments, "--per-class"), message, tmp_path, [samples])
    assert adm("score", samples, batches / "images.npz", "--graph", graph)[0] == 0  # nobody asked for them


BAD_GRAPHS = {
    "missing": (None, "graph.pb: No such file"),
    "text": (b"no graph", "graph.pb: not a frozen TensorFlow graph"),
    "empty": (b"", "graph.pb: holds no nodes"),
}


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_bad_graphs(adm, batches, tmp_path, case):
    content, message = BAD_GRAPHS[case]
    graph = tmp_path / "graph.pb"
    if content is not None:
        graph.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    arguments = [batches / "samples.npz", batches / "both.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    check(adm("score", *arguments), message, tmp_path, before)


def test_an_operation_that_is_unknown_is_named_with_its_node(adm, graph, batches, tmp_path):
    changed = tmp_path / "graph.pb"
    changed.write_bytes(graph.read_bytes().replace(b"\x04Relu", b"\x04Selu"))
    arguments = [batches / "samples.npz", batches / "both.npz", "--graph", changed, "--out", tmp_path / "out.json"]
    result = adm("score", *arguments)
    check(result, "op Selu of node ", tmp_path, [changed])
    assert str(batches) not in result[2]


def test_a_place_below_a_file_is_refused_before_anything_is_computed(adm, graph, batches, tmp_path, monkeypatch):
    monkeypatch.setattr(TorchGraph, "features", lambda *_: pytest.fail("the graph ran"))
    out = tmp_path / "file" / "folder" / "out.json"
    (tmp_path / "file").touch()
    arguments = [batches / "samples.npz", batches / "both.npz", "--graph", graph, "--out", out]
    check(
        adm("score", *arguments), f"cannot be written; {tmp_path / 'file'} is no folder", tmp_path, [tmp_path / "file"]
    )


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


def script(module, path):
    torch.jit.script(module).save(str(path.with_suffix(".pt")))


def export(module, path):
    torch.export.save(torch.export.export(module, (torch.zeros(64, 3, 16, 16),)), path.with_suffix(".pt2"))


class AnyBatch(torch.nn.Module):
    """Takes any number of images, and knows it as a symbol of its program."""

    def forward(self, x):
        return x.reshape(x.shape[0], -1)


def rewritten(path, change):
    """A program, each of whose entries is what `change` makes of its name and content."""
    whole = path.with_suffix(".whole.pt2")
    program = torch.export.export(
        AnyBatch(), (torch.zeros(64, 3, 16, 16),), dynamic_shapes=({0: torch.export.Dim("batch", min=4)},)
    )
    torch.export.save(program, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path.with_suffix(".pt2"), "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    whole.unlink()


def with_code(path):
    """A program whose sample inputs run code when they are unpickled."""
    content = io.BytesIO()
    torch.save({"a": Touches(path.with_name("touched"))}, content)
    rewritten(path, lambda name, old: content.getvalue() if name.endswith("sample_inputs/model.pt") else old)


def with_an_object(path):
    """A program with a constant that is pickled outside of torch's own format."""

    def change(name, old):
        if name.endswith("model_constants_config.json"):
            held = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
            return json.dumps({"config": {"a": held}})
        return old

    rewritten(path, change)
    with zipfile.ZipFile(path.with_suffix(".pt2"), "a") as archive:
        root = archive.namelist()[0].split("/")[0]
        archive.writestr(f"{root}/data/constants/opaque_obj_0", pickle.dumps(Touches(path.with_name("touched"))))


def edited(edit):
    """A program whose description is edited so that it makes a file, if anything in it is run as Python."""

    def write(path):
        def change(name, old):
            if not name.endswith("models/model.json"):
                return old
            content = json.loads(old)
            edit(content, f"__import__('os').system('touch {path.with_name('touched')}')")
            return json.dumps(content)

        rewritten(path, change)

    return write


def in_a_size(content, code):
    content["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = f"{code} or 2"


def in_a_text_of_a_size(content, code):
    """Sympy evaluates what stands in quotes, too."""
    content["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = f"Max({code!r}, 2)"


def in_a_guard(content, code):
    content["guards_code"] = [f"{code} == 0"]


def in_a_name(content, code):
    """An input of the graph becomes an argument of a function that torch writes, here one with a default."""
    content.update(json.loads(json.dumps(content).replace('"x"', json.dumps(f"x={code}"))))


def in_an_operator(content, code):
    """Operators are looked up by name, and one of torch's modules has imported `os`."""
    graph = content["graph_module"]["graph"]
    argument = {"name": "", "arg": {"as_string": code.split("'")[3]}, "kind": 1}
    called = {
        "target": "torch.serialization.os.system",
        "inputs": [argument],
        "outputs": [{"as_none": True}],
        "metadata": {},
    }
    graph["nodes"].insert(0, called | {"is_hop_single_tensor_return": None, "name": "called"})


NO_NETWORK = "is no TorchScript and no exported program"
BAD_NETWORKS = {
    "text": (lambda path: path.with_suffix(".pt").write_bytes(b"no network"), NO_NETWORK),
    "text for a program": (lambda path: path.with_suffix(".pt2").write_bytes(b"no network"), NO_NETWORK),
    "weights alone": (lambda path: torch.save({"a": torch.zeros(1)}, path.with_suffix(".pt")), NO_NETWORK),
    "code": (
        lambda path: path.with_suffix(".pt").write_bytes(pickle.dumps(Touches(path.with_name("touched")))),
        NO_NETWORK,
    ),
    "a program with code": (with_code, NO_NETWORK),
    "a program with an object": (with_an_object, "holds 'data/constants/opaque_obj_0'"),
    "code in a size": (edited(in_a_size), "may run code: its expr_str is "),
    "code in a text of a size": (edited(in_a_text_of_a_size), "may run code: its expr_str is "),
    "code in a guard": (edited(in_a_guard), "may run code: its guards_code is "),
    "code in a name": (edited(in_a_name), "may run code: its name is "),
    "code for an operator": (edited(in_an_operator), "may run code: its target is 'torch.serialization.os.system'"),
    "another size": (lambda path: script(Fails(), path), "fails on 8x8 images resized by bilinear-16: "),
    "no features": (lambda path: script(Flat(), path), "returns (64,), not a tensor (64, feat"),
    "no features of a program": (lambda path: export(Flat(), path), "returns (64,), not a tensor (64, feat"),
    "NaN": (lambda path: script(Nothing(), path), "returns NaN or infinity"),
}


@pytest.mark.parametrize("case", BAD_NETWORKS)
def test_bad_networks(adm, graph, batches, tmp_path, monkeypatch, case):
    monkeypatch.setattr(TorchGraph, "features", lambda *_: pytest.fail("the graph ran before the network was tried"))
    write, message = BAD_NETWORKS[case]
    write(tmp_path / "network")
    (network,) = tmp_path.iterdir()
    arguments = [batches / "samples.npz", batches / "images.npz", "--graph", graph, "--out", tmp_path / "out.json"]
    flags = ["--module", network, "--resize", "bilinear-16"]
    check(adm("score", *arguments, "--threads", 1, *flags), message, tmp_path, [network])
