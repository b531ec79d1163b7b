"""Graphs by torch and by TensorFlow: one answer, on any device, and one line for a graph that is none or another."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from making import make, record, refusal_of, write_dataset
from placement import META, OnlyOn
from tensorboard.compat.proto.graph_pb2 import GraphDef

from adm.artifacts.manifest import write_manifest
from adm.artifacts.writing import new_folder
from adm.config.data import GraphParams
from adm.metrics.batches import GRAPH
from adm.metrics.executors import TorchGraph, full_precision
from adm.metrics.features import LAYERS
from adm.metrics.graph import FrozenGraph, Nodes
from adm.metrics.graph_network import GraphNetwork
from adm.metrics.small_extractor import ExtractorNetwork, freeze
from adm.stages import features

EXECUTORS = {"torch": TorchGraph, "tensorflow": FrozenGraph}


def images(num, side, width=None):
    return np.random.default_rng(0).integers(0, 256, (num, side, width or side, 3), dtype=np.uint8)


def network(**sizes):
    made = ExtractorNetwork(num_classes=10, generator=torch.Generator().manual_seed(0), **sizes)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):  # zero at the start, and a bias left out would not show
                parameter.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(0))
    return made


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "extractor.pb"
    path.write_bytes(freeze(network()))
    return path


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, narrow_definition):
    path = tmp_path_factory.mktemp("narrow") / "narrow.pb"
    path.write_bytes(narrow_definition)
    return path


def test_frozen_bytes_are_deterministic(frozen):
    assert freeze(network()) == frozen.read_bytes()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("side", [5, 16, 299])
def test_a_graph_computes_what_the_network_does(frozen, executor, side):
    made, batch = network(), images(5, side, side + 1)
    with torch.no_grad():
        biased = made(torch.from_numpy(batch))
    got = EXECUTORS[executor](frozen).features(batch, batch_size=3)
    assert (got.pool.shape, got.spatial.shape, got.logits.shape) == ((5, 64), (5, 4 * 4 * 7), (5, 10))
    assert {getattr(got, layer).dtype for layer in LAYERS} == {np.dtype(np.float32)}
    np.testing.assert_allclose(got.logits + made.logits.bias.detach().numpy(), biased, rtol=1e-4, atol=1e-5)


def test_other_sizes_of_network(tmp_path):
    made, path = network(side=8, width=7, num_features=5), tmp_path / "small.pb"
    path.write_bytes(freeze(made))
    by_torch, by_tensorflow = (executor(path).features(images(2, 8)) for executor in EXECUTORS.values())
    assert (by_torch.pool.shape, by_torch.spatial.shape) == ((2, 5), (2, 2 * 2 * 7))
    for layer in LAYERS:
        np.testing.assert_allclose(getattr(by_torch, layer), getattr(by_tensorflow, layer), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_features_do_not_depend_on_how_images_come(frozen, executor):
    graph, batch = EXECUTORS[executor](frozen), images(11, 8)
    whole = graph.features(batch, batch_size=4)
    pieces = graph.features((batch[i:j] for i, j in ((0, 1), (1, 1), (1, 7), (7, 11))), batch_size=4)
    some = graph.features(batch[:5], batch_size=4)
    for layer in LAYERS:
        np.testing.assert_array_equal(getattr(whole, layer), getattr(pieces, layer))
        np.testing.assert_array_equal(getattr(whole, layer)[:5], getattr(some, layer))


def test_torch_needs_no_tensorflow(frozen):
    code = (
        "import sys, pathlib, numpy as np\n"
        "from adm.metrics.executors import TorchGraph\n"
        "TorchGraph(pathlib.Path(sys.argv[1])).features(np.zeros((1, 8, 8, 3), np.uint8))\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('tensorflow', 'keras')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(frozen)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("graph", ["narrow", "frozen"])
@pytest.mark.parametrize(("num", "side"), [(2, 8), (1, 512)])
def test_every_tensor_is_made_on_the_device(request, graph, num, side):
    """The meta device computes shapes alone, and refuses any tensor that is elsewhere, as a GPU would."""
    path = request.getfixturevalue(graph)
    network = GraphNetwork(Nodes(GraphDef.FromString(path.read_bytes()))).to(META)
    with torch.inference_mode(), OnlyOn(META) as watched:
        outputs = network(torch.empty(num, side, side, 3, dtype=torch.uint8, device=META))
    expected = TorchGraph(path).features(images(num, side))
    assert [tuple(output.shape) for output in outputs] == [getattr(expected, layer).shape for layer in LAYERS]
    assert watched.calls > 30


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", ""])
def test_a_device_that_is_not_there_is_refused(frozen, device):
    assert refusal_of(TorchGraph, frozen, device=device).startswith(f"device '{device}': is ")


@pytest.mark.parametrize("asked_for", ["highest", "medium"])
def test_products_are_of_float32_whatever_the_process_asked_for(asked_for):
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.mkldnn.matmul)
    usual = torch.get_float32_matmul_precision(), torch.backends.cudnn.conv.fp32_precision
    try:
        torch.set_float32_matmul_precision(asked_for)
        torch.backends.cudnn.conv.fp32_precision = "tf32"  # PyTorch's default
        before = [backend.fp32_precision for backend in backends]
        with full_precision():
            assert [backend.fp32_precision for backend in backends] == ["ieee"] * 3
        assert [backend.fp32_precision for backend in backends] == before
        with pytest.raises(KeyError), full_precision():
            raise KeyError
        assert [backend.fp32_precision for backend in backends] == before
    finally:
        torch.set_float32_matmul_precision(usual[0])
        torch.backends.cudnn.conv.fp32_precision = usual[1]


def spoilt(name, change):
    """Change one node of the graph."""

    def spoil(definition):
        change(next(node for node in definition.node if node.name == name))
        return definition.SerializeToString()

    return spoil


def reading(position, name):
    return lambda node: node.input.__setitem__(position, name)


def with_values(change):
    """Change a constant's floats, which may change their number and shape."""

    def spoil(node):
        tensor = node.attr["value"].tensor
        shape = [axis.size for axis in tensor.tensor_shape.dim]
        array = change(np.frombuffer(tensor.tensor_content, np.float32).reshape(shape).copy())
        tensor.tensor_content = array.tobytes()
        if array.ndim == len(shape):
            for axis, size in zip(tensor.tensor_shape.dim, array.shape, strict=True):
                axis.size = size

    return spoil


def broken(array):
    array.flat[7] = np.nan
    return array


OTHER = "executor tensorflow runs graphs of other networks"
NOT_FINITE = "its {} features hold NaN or infinity, expected finite numbers"

# What is done to the graph; what torch's executor says; what TensorFlow's says, None where it can run the graph.
CASES = {
    "text file": (lambda _: b"<html>not found</html>\n", "not a frozen TensorFlow graph", "not a frozen TensorFlow"),
    "no logits": (
        spoilt("softmax/logits/MatMul", lambda node: setattr(node, "name", "something")),
        f"there is no node softmax/logits/MatMul; {OTHER}",
        "cannot import it: ",
    ),
    "an operation that nobody knows": (
        spoilt("conv_1/Conv2D", lambda node: setattr(node, "op", "Conv4D")),
        f"node conv_1/batchnorm: Conv4D is unknown here; {OTHER}",
        "cannot import it: .*Conv4D",
    ),
    "channels first": (
        spoilt("pool_1", lambda node: setattr(node.attr["data_format"], "s", b"NCHW")),
        "node pool_1: .* unknown here",
        "cannot run it: node pool_1: .* only supports NHWC",
    ),
    "aligned corners": (
        spoilt("ResizeBilinear", lambda node: setattr(node.attr["align_corners"], "b", True)),
        f"resized otherwise: ResizeBilinear to 299x299 inside the graph, corners aligned; {OTHER}",
        None,
    ),
    "a cycle": (spoilt("mixed_2/conv/Conv2D", reading(0, "mixed_4/conv")), "in a cycle", "cannot import it: "),
    "a node that is not there": (spoilt("pool", reading(0, "conv_9")), "no node conv_9", "cannot import it: .*conv_9"),
    "a kernel of other channels": (
        spoilt("conv_1/conv2d_params", with_values(lambda array: array[:, :, :3])),
        "weight of size .*, expected ",
        "cannot import it: ",
    ),
    "a constant cut off": (
        spoilt("conv_4/conv2d_params", with_values(lambda array: array.ravel()[:-1])),
        "constant conv_4/conv2d_params holds [0-9]+ values, expected [0-9]+",
        "cannot import it: |cannot run it: ",
    ),
    "pixels around another centre": (
        spoilt("Sub/y", lambda node: node.attr["value"].tensor.float_val.__setitem__(0, 127.0)),
        f"resized otherwise: .*; {OTHER}",
        None,
    ),
    "NaN among the weights": (
        spoilt("mixed_3/conv/conv2d_params", with_values(broken)),
        NOT_FINITE.format("pool"),
        "cannot run it: node mixed_3/conv/CheckNumerics: .*NaN",
    ),
    "NaN among the last weights": (
        spoilt("softmax/weights", with_values(broken)),
        NOT_FINITE.format("logits"),
        NOT_FINITE.format("logits"),
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
        assert len(EXECUTORS[executor](path).features(images(1, 8), 1).pool) == 1
        return
    with pytest.raises(ValueError, match=message) as caught:
        EXECUTORS[executor](path).features(images(1, 8), 1)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("case", "executor"), [("text file", "torch"), ("a cycle", "tensorflow"), ("NaN among the weights", "torch")]
)
def test_the_stage_writes_nothing_and_names_the_images_and_the_graph(bad_graph, tmp_path, case, executor):
    data, graph = write_dataset(tmp_path / "data", images(4, 8)), tmp_path / "graph"
    with new_folder(graph) as folder:
        (folder / GRAPH).write_bytes(bad_graph(case).read_bytes())
        write_manifest(folder, record("extractor"))
    section = GraphParams(executor=executor, feature_batch=2, threads=2)
    torch.use_deterministic_algorithms(False)
    message = refusal_of(make, features, section, data, graph, tmp_path / "out", "cpu", 60)
    assert message.startswith(f"{data} through {graph}: ")
    assert re.search(CASES[case][1 + list(EXECUTORS).index(executor)], message)
    assert not (tmp_path / "out").exists()
    # Threads and kernels were settled before.
    assert (torch.get_num_threads(), torch.get_deterministic_debug_mode()) == (2, 2)
