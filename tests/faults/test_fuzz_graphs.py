"""Frozen graphs: whatever a GraphDef holds, it runs, or is refused in one line, before memory is taken."""

import numpy as np
import pytest
import torch
from damage import Content, damaged, refusal
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.graph_pb2 import GraphDef

from adm.metrics.freeze import freeze
from adm.metrics.graph_contract import INPUT, LOGITS, POOL, SPATIAL
from adm.metrics.graph_resize import resize_inside
from adm.metrics.small_extractor import ExtractorNetwork
from adm.metrics.torch_graph import TorchGraph
from adm.metrics.torch_operations import OPERATIONS

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
GOOD = freeze(ExtractorNetwork(num_classes=3, generator=torch.Generator().manual_seed(0), width=7, num_features=8))
NAMES = [node.name for node in GraphDef.FromString(GOOD).node]
CONSTANTS = [node.name for node in GraphDef.FromString(GOOD).node if node.op == "Const"]


def run(path):
    graph = TorchGraph(path)
    assert resize_inside(path)
    features = graph.features(IMAGES, 2)
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
    graph = GraphDef.FromString(GOOD)
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


def add(graph, name, op, *inputs):
    """Add a node that reads others."""
    node = graph.node.add(name=name, op=op)
    node.input.extend(inputs)
    return node


def test_the_good_one_runs(write):
    assert refused(write(GOOD)) is None


@given(content=damaged(GOOD))
def test_damaged_bytes(write, content):
    refused(write(content))


sizes = st.sampled_from([-(1 << 63), -1, 0, 1, 2, 3, 7, 1 << 12, 1 << 21, 1 << 31, 1 << 40, (1 << 63) - 1])
WHOLE = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([-1, 0, 1, 2, 3, 1 << 20])


@st.composite
def other_attributes(draw, node):
    """Change an attribute, to a value of any kind."""
    known = [*node.attr, "strides", "ksize", "dilations", "squeeze_dims", "epsilon", "is_training", "transpose_a"]
    value = node.attr[draw(st.sampled_from(sorted({*known, "align_corners", "padding", "data_format", "keep_dims"})))]
    value.Clear()
    match draw(st.sampled_from(["none", "i", "f", "b", "s", "list", "shape", "tensor", "placeholder", "func"])):
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
        case "tensor":
            value.tensor.tensor_shape.dim.add(size=draw(sizes))
        case "placeholder":
            value.placeholder = "a\nb"
        case "func":
            value.func.name = "f"


@st.composite
def other_constants(draw, node):
    """Make a constant of any type, shape and values, which need not fit each other."""
    dtype = draw(st.sampled_from([0, 1, 1, 1, 2, 3, 3, 4, 7, 9, 10, 19, 101, -5]))
    field = draw(st.sampled_from(["float_val", "int_val", "int64_val", "half_val", "bool_val", "double_val"]))
    numbers = {"float_val": st.floats(width=32), "double_val": st.floats(), "bool_val": st.booleans()}
    numbers["int64_val"] = WHOLE
    values = draw(st.lists(numbers.get(field, st.integers(-(1 << 31), (1 << 31) - 1)), max_size=4))
    shape = draw(st.lists(sizes, max_size=5))
    constant(node, shape, draw(st.binary(max_size=24)), dtype, **{field: values})


@st.composite
def graphs(draw):
    """A graph whose nodes read others, do something else or hold something else."""
    graph = GraphDef.FromString(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(list(graph.node)))
        match draw(st.sampled_from(["read", "op", "attribute", "constant", "name", "twice", "more", "fewer"])):
            case "read" if node.input:
                node.input[draw(st.integers(0, len(node.input) - 1))] = draw(
                    st.sampled_from([*NAMES, "none", "a\nb", "^pool_3", "pool_3:1", "", ":", *NAMES])
                )
            case "op":
                node.op = draw(st.sampled_from([*OPERATIONS, "Identity", "Const", "Nonsense\n", ""]))
            case "attribute":
                draw(other_attributes(node))
            case "constant":
                draw(other_constants(draw(st.sampled_from([n for n in graph.node if n.op == "Const"] or [node]))))
            case "name":
                node.name = draw(st.sampled_from([*NAMES, "a\nb", "", INPUT]))
            case "twice":
                graph.node.add().CopyFrom(node)
            case "more":
                node.input.extend(draw(st.lists(st.sampled_from(NAMES), max_size=4)))
            case "fewer" if node.input:
                del node.input[draw(st.integers(0, len(node.input) - 1)) :]
    return Content(graph.SerializeToString())


@given(graph=graphs())
def test_nodes_that_make_no_sense(write, graph):
    refused(write(graph))


def filled(shape):
    """Every constant in turn has a shape that its one value cannot fill."""
    return [changed(name, lambda node: constant(node, shape, float_val=[1.0])) for name in CONSTANTS]


@pytest.mark.parametrize(
    "shape", [(1 << 40,), (1 << 32, 1 << 32), (1 << 62, 4), (-1,), (1 << 31, 3, 3, 3), (1 << 20, 1 << 20, 0, -1)]
)
def test_a_constant_of_absurd_shape(write, shape):
    for graph in filled(shape):
        assert "constant " in refused(write(graph))


def test_a_constant_may_leave_out_what_repeats(write):
    """TensorFlow fills up with the last value; a bias of zeros is stored so."""
    lengths = {
        node.name: node.attr["value"].tensor.tensor_shape.dim[0].size
        for node in GraphDef.FromString(GOOD).node
        if node.op == "Const" and len(node.attr["value"].tensor.tensor_shape.dim) == 1 and "conv" in node.name
    }
    assert lengths
    for name, length in lengths.items():
        graph = changed(name, lambda node, n=length: constant(node, (n,), float_val=[0.5]))
        assert refused(write(graph)) is None


def test_many_constants_that_leave_out_much(write):
    """Each is within the bound that all of them share."""
    graph = GraphDef.FromString(GOOD)
    for number in range(100):
        constant(graph.node.add(name=f"filled{number}"), (1 << 20,), float_val=[1.0])
    assert "left out of all constants" in refused(write(graph))


def test_content_that_does_not_fit_the_shape(write):
    for name in CONSTANTS[:4]:
        for content in (b"", b"\0", bytes(7), bytes(1 << 16)):
            assert refused(write(changed(name, lambda node, c=content: constant(node, (3, 3, 3, 9), c))))


def folded(op, inputs, constants):
    """The good graph, whose logits read what a chain of nodes makes of constants."""
    graph = GraphDef.FromString(GOOD)
    for name, (shape, content, dtype) in constants.items():
        constant(graph.node.add(name=name), shape, content, dtype)
    made = add(graph, "made", op, *inputs)
    next(node for node in graph.node if node.name == LOGITS).input[1] = made.name
    return graph


BIG = (1 << 17) * 4
WIDE = {"a": ((1 << 17, 1), bytes(BIG), 1), "b": ((1, 1 << 17), bytes(BIG), 1)}
BLOWN_UP = {
    "a sum of a column and a row": folded("Add", ["a", "b"], WIDE),
    "a product of a column and a row": folded("MatMul", ["a", "b"], WIDE),
    "a padding": folded(
        "Pad", ["a", "b"], {"a": ((2, 2), bytes(16), 1), "b": ((2, 2), np.full((2, 2), 1 << 30, "<i4").tobytes(), 3)}
    ),
    "a resize": folded(
        "ResizeBilinear",
        ["a", "b"],
        {"a": ((1, 1, 1, 1), bytes(4), 1), "b": ((2,), np.full(2, 4096, "<i4").tobytes(), 3)},
    ),
    "a larger resize": folded(
        "ResizeBilinear",
        ["a", "b"],
        {"a": ((1, 1, 1, 1), bytes(4), 1), "b": ((2,), np.full(2, 1 << 20, "<i4").tobytes(), 3)},
    ),
}


@pytest.mark.parametrize("case", BLOWN_UP)
def test_small_constants_that_make_large_ones(write, case):
    assert refused(write(BLOWN_UP[case]))


def test_a_chain_that_doubles_each_time(write):
    graph = folded("Add", ["a40", "a40"], {"a0": ((4, 4), bytes(64), 1), "axis": ((), bytes(4), 3)})
    for number in range(40):
        add(graph, f"a{number + 1}", "ConcatV2", f"a{number}", f"a{number}", "axis")
    assert "makes far more of constants than these hold" in refused(write(graph))


def test_statistics_that_broadcast(write):
    graph = GraphDef.FromString(GOOD)
    constant(graph.node.add(name="column"), (1 << 14, 1), bytes(4 << 14))
    constant(graph.node.add(name="row"), (1 << 14,), bytes(4 << 14))
    add(graph, "norm", "BatchNormWithGlobalNormalization", SPATIAL, "column", "row", "row", "row")
    next(node for node in graph.node if node.name == POOL).input[0] = "norm"
    assert "expected (C,) each" in refused(write(graph))


def test_nesting_and_cycles(write):
    deep = b""
    for _ in range(5000):  # functions in functions in the value of an attribute
        deep = b"\x52" + _varint(len(deep) + 2) + b"\x12" + _varint(len(deep)) + deep
    assert refused(write(b"\x0a" + _varint(len(deep)) + deep))
    for name in (POOL, SPATIAL):
        assert "depend on themselves" in refused(
            write(changed(name, lambda node: node.input.__setitem__(0, node.name)))
        )


def _varint(number):
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


@pytest.mark.slow
@pytest.mark.parametrize("op", ["Identity", "Relu"])
def test_long_chains_take_no_quadratic_time(write, op):
    graph, length = GraphDef.FromString(GOOD), 20_000
    source = next(node for node in graph.node if node.name == POOL)
    read = source.input[0]
    for number in range(length):
        read = add(graph, f"chain{number}", op, read).name
    source.input[0] = read
    if op == "Identity":  # and as many nodes read all along it
        reader = add(graph, "join", "ConcatV2", *(f"chain{number}" for number in range(length)), "axis")
        constant(graph.node.add(name="axis"), (), b"\x03\0\0\0", 3)
        assert reader.input
        next(node for node in graph.node if node.name == LOGITS).input[1] = "join"
    refused(write(graph))


def test_a_name_with_a_line_break(write):
    assert refused(write(changed(SPATIAL, lambda node: setattr(node, "op", "two\nlines"))))
