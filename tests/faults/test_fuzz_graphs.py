"""Frozen graphs: whatever a GraphDef holds, it runs, or is refused in one line, before memory is taken."""

from functools import cache

import numpy as np
import pytest
import torch
from damage import Content, damaged, refusal
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.graph_pb2 import GraphDef

from adm.metrics.executors import TorchGraph
from adm.metrics.graph import LOGITS, POOL, SPATIAL
from adm.metrics.small_extractor import ExtractorNetwork, freeze

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
OPERATIONS = ("AvgPool", "BiasAdd", "Const", "Conv2D", "Identity", "MatMul", "MaxPool", "Nonsense\n", "Relu", "Sub", "")


@cache
def good():
    """Not at import: TensorFlow writes it."""
    network = ExtractorNetwork(num_classes=3, generator=torch.Generator().manual_seed(0), width=7, num_features=8)
    return freeze(network)


def constants():
    return [node.name for node in GraphDef.FromString(good()).node if node.op == "Const"]


def run(path):
    features = TorchGraph(path).features(IMAGES, 2)
    for part in (features.pool, features.spatial, features.logits):
        assert len(part) == len(IMAGES)
        assert np.isfinite(part).all()


def refused(path):
    return refusal(path, run, (ValueError,))


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Write a graph, bytes or a message; return its path."""
    path = tmp_path_factory.mktemp("graphs") / "victim.pb"

    def write(graph):
        path.write_bytes(graph if isinstance(graph, bytes) else graph.SerializeToString())
        return path

    return write


def changed(name, change):
    """The good graph with one node changed."""
    graph = GraphDef.FromString(good())
    change(next(node for node in graph.node if node.name == name))
    return graph


def constant(node, shape, content=b"", dtype=1, **values):
    """Make a node a constant."""
    node.op = "Const"
    del node.input[:]
    tensor = node.attr["value"].tensor
    tensor.Clear()
    tensor.dtype = dtype
    tensor.tensor_content = content
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for field, given_values in values.items():
        getattr(tensor, field).extend(given_values)


def test_the_good_one_runs(write):
    assert refused(write(good())) is None


@given(content=st.deferred(lambda: damaged(good())))
def test_damaged_bytes(write, content):
    refused(write(content))


sizes = st.sampled_from([-(1 << 63), -1, 0, 1, 2, 3, 7, 1 << 12, 1 << 21, 1 << 31, 1 << 40, (1 << 63) - 1])
WHOLE = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([-1, 0, 1, 2, 3, 1 << 20])


@st.composite
def other_attributes(draw, node):
    """Change an attribute, to a value of any kind."""
    known = {*node.attr, "strides", "ksize", "dilations", "align_corners", "padding", "data_format"}
    value = node.attr[draw(st.sampled_from(sorted(known)))]
    value.Clear()
    match draw(st.sampled_from(["none", "i", "f", "b", "s", "list", "shape", "placeholder", "func"])):
        case "i":
            value.i = draw(WHOLE)
        case "f":
            value.f = draw(st.floats(width=32))
        case "b":
            value.b = draw(st.booleans())
        case "s":
            value.s = draw(st.sampled_from([b"SAME", b"VALID", b"NHWC", b"\n\xff"]))
        case "list":
            value.list.i.extend(draw(st.lists(WHOLE, max_size=5)))
        case "shape":
            value.shape.dim.add(size=draw(sizes))
        case "placeholder":
            value.placeholder = "a\nb"
        case "func":
            value.func.name = "f"


@st.composite
def other_constants(draw, node):
    """Make a constant of any type, shape and values, which need not fit each other."""
    dtype = draw(st.sampled_from([0, 1, 1, 1, 2, 3, 3, 7, 19, 101, -5]))
    field = draw(st.sampled_from(["float_val", "int_val", "int64_val"]))
    numbers = {"float_val": st.floats(width=32), "int64_val": WHOLE}
    values = draw(st.lists(numbers.get(field, st.integers(-(1 << 31), (1 << 31) - 1)), max_size=4))
    constant(node, draw(st.lists(sizes, max_size=5)), draw(st.binary(max_size=24)), dtype, **{field: values})


@st.composite
def graphs(draw):
    """A graph whose nodes read others, do something else or hold something else."""
    graph = GraphDef.FromString(good())
    names = st.sampled_from([*(node.name for node in graph.node), "none", "a\nb", "^pool_3", "pool_3:1", "", ":"])
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(list(graph.node)))
        match draw(st.sampled_from(["read", "op", "attribute", "constant", "name", "twice", "more", "fewer"])):
            case "read" if node.input:
                node.input[draw(st.integers(0, len(node.input) - 1))] = draw(names)
            case "op":
                node.op = draw(st.sampled_from(OPERATIONS))
            case "attribute":
                draw(other_attributes(node))
            case "constant":
                draw(other_constants(draw(st.sampled_from([n for n in graph.node if n.op == "Const"] or [node]))))
            case "name":
                node.name = draw(names)
            case "twice":
                graph.node.add().CopyFrom(node)
            case "more":
                node.input.extend(draw(st.lists(names, max_size=4)))
            case "fewer" if node.input:
                del node.input[draw(st.integers(0, len(node.input) - 1)) :]
    return Content(graph.SerializeToString())


@given(graph=graphs())
def test_nodes_that_make_no_sense(write, graph):
    refused(write(graph))


@pytest.mark.parametrize(
    "shape", [(1 << 40,), (1 << 32, 1 << 32), (1 << 62, 4), (-1,), (1 << 31, 3, 3, 3), (1 << 20, 1 << 20, 0, -1)]
)
def test_a_constant_of_absurd_shape(write, shape):
    for name in constants():
        graph = changed(name, lambda node: constant(node, shape, float_val=[1.0]))
        assert "constant " in refused(write(graph))


def test_a_constant_may_leave_out_what_repeats(write):
    """TensorFlow fills up with the last value; a bias of zeros is stored so."""

    def leave_out(node):
        constant(node, [axis.size for axis in node.attr["value"].tensor.tensor_shape.dim], float_val=[0.5])

    for name in constants():
        if name.endswith("biases"):
            assert refused(write(changed(name, leave_out))) is None


def test_many_constants_that_leave_out_much(write):
    """Each is within the bound that all of them share."""
    graph = GraphDef.FromString(good())
    for number in range(100):
        constant(graph.node.add(name=f"filled{number}"), (1 << 20,), float_val=[1.0])
    assert "left out of all constants" in refused(write(graph))


def test_content_that_does_not_fit_the_shape(write):
    for name in constants()[:4]:
        for content in (b"", b"\0", bytes(7), bytes(1 << 16)):
            assert refused(write(changed(name, lambda node, c=content: constant(node, (3, 3, 3, 9), c))))


def test_nesting_and_cycles(write):
    deep = b""
    for _ in range(5000):  # functions in functions in the value of an attribute
        deep = b"\x52" + _varint(len(deep) + 2) + b"\x12" + _varint(len(deep)) + deep
    assert refused(write(b"\x0a" + _varint(len(deep)) + deep))
    for name in (POOL, SPATIAL, LOGITS):
        for op in ("Identity", "Relu"):

            def circle(node, op=op):
                node.op = op
                node.input[0] = node.name

            assert refused(write(changed(name, circle)))


def _varint(number):
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def test_a_name_with_a_line_break(write):
    assert refused(write(changed(SPATIAL, lambda node: setattr(node, "op", "two\nlines"))))
