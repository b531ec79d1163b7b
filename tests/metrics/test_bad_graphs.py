"""Graphs and images that no executor can use: a line that says what is wrong, and nothing written."""

import re

import numpy as np
import pytest
import torch
import yaml
from inception_2015 import inception_2015
from tensorboard.compat.proto.graph_pb2 import GraphDef

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.shards import write_shards
from adm.metrics.batches import GRAPH
from adm.metrics.graph import FrozenGraph
from adm.metrics.torch_graph import TorchGraph
from adm.params import load
from adm.params.data import DatasetParams
from adm.pipeline import Pipeline

EXECUTORS = {"torch": TorchGraph, "tensorflow": FrozenGraph}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
PRESENT = ("ExpandDims", "mixed_6/conv", "pool_3", "softmax/logits/MatMul")


def spoilt(name, change):
    """Change one node of the graph."""

    def spoil(definition):
        change(next(node for node in definition.node if node.name == name))
        return definition.SerializeToString()

    return spoil


def renamed(node):
    node.name = "something"


def operation(op):
    return lambda node: setattr(node, "op", op)


def attribute(key, **value):
    def change(node):
        node.attr[key].Clear()
        for kind, given in value.items():
            setattr(node.attr[key], kind, given)

    return change


def reads(position, name):
    def change(node):
        node.input[position] = name

    return change


def values(array):
    def change(node):
        tensor = node.attr["value"].tensor
        tensor.tensor_content = np.asarray(array, np.float32).tobytes()
        tensor.tensor_shape.Clear()
        for length in np.shape(array):
            tensor.tensor_shape.dim.add(size=length)

    return change


def broken(node):
    tensor = node.attr["value"].tensor
    array = np.frombuffer(tensor.tensor_content, np.float32).copy()
    array[7] = np.nan
    tensor.tensor_content = array.tobytes()


def cut(node):
    node.attr["value"].tensor.tensor_content = node.attr["value"].tensor.tensor_content[:-4]


# What is done to the graph; what torch's executor says; what TensorFlow's says, None where it can run the graph.
CASES = {
    "empty file": (lambda _: b"", "holds no nodes", "holds no nodes"),
    "text file": (lambda _: b"<html>not found</html>\n", "not a frozen TensorFlow graph", "not a frozen TensorFlow"),
    "noise": (lambda _: b"\xff" * 100, "not a frozen TensorFlow graph", "not a frozen TensorFlow graph"),
    "truncated": (lambda d: d.SerializeToString()[:-100], "not a frozen TensorFlow graph", "not a frozen TensorFlow"),
    "no nodes": (lambda _: GraphDef(versions={"producer": 8}).SerializeToString(), "holds no nodes", "holds no nodes"),
    **{
        f"no {name}": (
            spoilt(name, renamed),
            f"no node {name}, expected those of",
            f"no node {name}, expected those of",
        )
        for name in PRESENT
    },
    "an operation that is not known": (
        spoilt("mixed_5/tower/conv_1", operation("Selu")),
        "op Selu of node mixed_5/tower/conv_1 is not one of Add, AddV2, AvgPool, ",
        None,
    ),
    "an operation that nobody knows": (
        spoilt("conv_1/Conv2D", operation("Conv4D")),
        "op Conv4D of node conv_1/Conv2D is not one of ",
        "cannot import it: .*Conv4D",
    ),
    "a padding that is not known": (
        spoilt("conv_3/Conv2D", attribute("padding", s=b"EXPLICIT")),
        r"padding of node conv_3/Conv2D \(Conv2D\) is b'EXPLICIT', expected b'SAME'",
        "cannot import it: ",
    ),
    "channels first": (
        spoilt("pool_1", attribute("data_format", s=b"NCHW")),
        r"data_format of node pool_1 \(MaxPool\) is b'NCHW', expected b'NHWC'",
        "cannot run it: node pool_1: .* only supports NHWC",
    ),
    "aligned corners": (
        spoilt("ResizeBilinear", attribute("align_corners", b=True)),
        r"align_corners of node ResizeBilinear \(ResizeBilinear\) is True, expected False",
        None,
    ),
    "a cycle": (
        spoilt("mixed_2/conv/Conv2D", reads(0, "mixed_4/conv")),
        "nodes depend on themselves: .*mixed_2/conv/Conv2D",
        "cannot import it: ",
    ),
    "a cycle of identities": (
        spoilt("conv/control_dependency", reads(0, "conv/control_dependency")),
        "nodes depend on themselves: conv/control_dependency, conv/control_dependency",
        "cannot import it: |cannot run it: ",
    ),
    "a node that is not there": (
        spoilt("pool", reads(0, "conv_9")),
        "no node conv_9, but another one reads it",
        "cannot import it: .*conv_9",
    ),
    "a second output": (
        spoilt("mixed_1/conv/Conv2D", reads(0, "mixed/join:1")),
        "node mixed_1/conv/Conv2D reads mixed/join:1, but only first outputs are computed",
        "cannot import it: .*invalid output 1 of source node mixed/join",
    ),
    "an input too few": (
        spoilt("mixed/conv/Conv2D", lambda node: node.input.pop()),
        r"node mixed/conv/Conv2D \(Conv2D\) has 1 inputs, expected more",
        "cannot import it: ",
    ),
    "an input too many": (
        spoilt("mixed/conv", lambda node: node.input.append("Mul")),
        r"node mixed/conv \(Relu\): ",
        "cannot import it: ",
    ),
    "a kernel that is computed": (
        spoilt("conv/Conv2D", reads(1, "Mul")),
        r"node conv/Conv2D \(Conv2D\) reads Mul, expected a constant there",
        "cannot import it: |cannot run it: ",
    ),
    "a kernel of other channels": (
        spoilt("conv_1/conv2d_params", values(np.ones((3, 3, 5, 4)))),
        r"node conv_1/batchnorm \(BatchNormWithGlobalNormalization\): .*channels",
        "cannot import it: ",
    ),
    "a kernel of three axes": (
        spoilt("conv_1/conv2d_params", values(np.ones((3, 3, 4)))),
        "node conv_1/Conv2D ",
        "cannot import it: ",
    ),
    "a constant cut off": (
        spoilt("conv_4/conv2d_params", cut),
        "constant conv_4/conv2d_params holds [0-9]+ values, expected [0-9]+",
        "cannot import it: |cannot run it: ",
    ),
    "too few channels": (
        lambda _: inception_2015(width=1 / 64).SerializeToString(),
        "mixed_6/conv has 3 channels, expected at least 7",
        "mixed_6/conv has 3 channels, expected at least 7",
    ),
    "NaN among the weights": (
        spoilt("mixed_3/conv/conv2d_params", broken),
        "its pool features hold NaN or infinity, expected finite numbers",
        "cannot run it: node mixed_3/conv/CheckNumerics: .*NaN",
    ),
    "NaN among the last weights": (
        spoilt("softmax/weights", broken),
        "its logits features hold NaN or infinity, expected finite numbers",
        "its logits features hold NaN or infinity, expected finite numbers",
    ),
}


@pytest.fixture
def bad_graph(tmp_path, narrow_definition):
    """Write the graph of a case; return its path."""

    def write(case):
        path = tmp_path / "bad.pb"
        path.write_bytes(CASES[case][0](GraphDef.FromString(narrow_definition)))
        return path

    return write


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", CASES)
def test_a_bad_graph_is_refused_in_one_line(bad_graph, case, executor):
    path, message = bad_graph(case), CASES[case][1 + list(EXECUTORS).index(executor)]
    if message is None:
        assert len(EXECUTORS[executor](path).features(IMAGES[:1], 1).pool) == 1
        return
    with pytest.raises(ValueError, match=message) as caught:
        EXECUTORS[executor](path).features(IMAGES[:1], 1)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request, tmp_path_factory, narrow_definition):
    path = tmp_path_factory.mktemp("narrow") / "narrow.pb"
    path.write_bytes(narrow_definition)
    return EXECUTORS[request.param](path)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES[:0], {}, "no images, expected at least 1"),
        (
            IMAGES.astype(np.float32),
            {},
            r"images are float32 of shape \(4, 8, 8, 3\), expected uint8 of \(N, H, W, 3\)",
        ),
        (IMAGES.astype(np.int64), {}, "images are int64"),
        (IMAGES.transpose(0, 3, 1, 2), {}, r"shape \(4, 3, 8, 8\), expected uint8 of \(N, H, W, 3\)"),
        (IMAGES[..., :1], {}, r"shape \(4, 8, 8, 1\)"),
        (IMAGES[0], {}, r"shape \(8, 8, 3\)"),
        (np.zeros((2, 0, 8, 3), np.uint8), {}, r"shape \(2, 0, 8, 3\)"),
        ([IMAGES, IMAGES[:, :7]], {}, r"images of shape \(7, 8, 3\) follow those of \(8, 8, 3\), expected one size"),
        (IMAGES, {"batch_size": 0}, "batch size is 0, expected at least 1"),
    ],
)
def test_bad_images_are_refused(executor, images, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        executor.features(images, **options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def features(adm, tmp_path, root):
    """Run the verb on a graph file: `features(path, device="cuda")`; return code, stdout, stderr."""

    def run(graph, device="cpu", **section):
        content = yaml.safe_load((root / "params.yaml").read_text())
        content["extractors"]["digits"] |= {"feature_batch": 2} | section
        content["resources"]["features"] = {"device": device}
        content["paths"] = {"results": str(tmp_path / "results")}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        job = Pipeline(load(tmp_path / "params.yaml")).find("features", "dataset/digits")
        dataset = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=4)
        for path in job.inputs.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(job.inputs["images"]) as folder:
            write_shards(folder, IMAGES, np.zeros(4, np.int64), 4)
            write_manifest(folder, provenance("prepare", {"dataset": dataset}, {}, []))
        with new_folder(job.inputs["graph"]) as folder:
            (folder / GRAPH).write_bytes(graph.read_bytes())
            write_manifest(folder, provenance("adopt", {"dataset": dataset}, {}, []))
        return job, *adm(*job.command, "--params", tmp_path / "params.yaml")

    return run


@pytest.mark.parametrize(
    ("case", "section"),
    [
        ("empty file", {}),
        ("truncated", {}),
        ("an operation that is not known", {}),
        ("a cycle", {"executor": "tensorflow"}),
        ("too few channels", {}),
        ("a kernel of other channels", {}),
        ("NaN among the weights", {}),
        ("NaN among the weights", {"executor": "tensorflow"}),
        ("a kernel of other channels", {"compiled": True}),
        ("too few channels", {"compiled": True}),
    ],
)
def test_the_verb_writes_one_line_and_nothing_else(bad_graph, features, tmp_path, case, section):
    path = bad_graph(case)
    job, code, out, err = features(path, **section)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {job.inputs['images']} through {job.inputs['graph']}: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert re.search(CASES[case][2 if section.get("executor") else 1], err)
    # Beside what it reads stands nothing but the journal.
    assert {each.name for each in job.root.iterdir()} <= {"data", "extractors", "features", "logs"}
    assert not job.out.exists()
    assert [path for path in (job.root / "features").rglob("*") if path.is_file()] == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_verb_refuses_a_device_that_is_not_there(features, tmp_path, narrow_definition):
    (tmp_path / "good.pb").write_bytes(narrow_definition)
    job, code, out, err = features(tmp_path / "good.pb", device="cuda")
    assert (code, out) == (2, "")
    assert "device 'cuda': process 0 has no GPU; there are 0 here" in err
    assert len(err.splitlines()) == 1
    assert not job.out.exists()
    assert features(tmp_path / "good.pb")[1] == 0
    assert job.out.exists()
