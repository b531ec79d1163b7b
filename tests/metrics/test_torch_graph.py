import subprocess
import sys

import numpy as np
import pytest
import torch

from adm.metrics.freeze import freeze
from adm.metrics.graph import FrozenGraph
from adm.metrics.small_extractor import ExtractorNetwork
from adm.metrics.tensorflow_loader import load_tensorflow
from adm.metrics.torch_graph import TorchGraph
from adm.metrics.torch_operations import OPERATIONS, constant
from adm.metrics.torch_program import TorchProgram

tf = load_tensorflow().compat.v1
raw = tf.raw_ops


def images(num, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, side, side + 1, 3), dtype=np.uint8)


def random(*shape, seed=0, low=-0.5, high=0.5):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def assert_alike(got, expected):
    for name in ("pool", "spatial", "logits"):
        ours, theirs = getattr(got, name), getattr(expected, name)
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    network = ExtractorNetwork(num_classes=10, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):  # zero at the start, and a bias left out would not show
                parameter.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(1))
    path = tmp_path_factory.mktemp("graph") / "extractor.pb"
    path.write_bytes(freeze(network))
    return path


def write_graph(path, build, **names):
    """Write a graph whose spatial features are what `build` makes of (N, H, W, 3) pixels in [-1, 1]."""
    with tf.Graph().as_default() as made:
        pixels = tf.placeholder(tf.float32, [None, None, None, 3], name="ExpandDims")
        x = tf.identity(build(pixels / 128.0 - 1.0), name="mixed_6/conv")
        num_channels = x.shape[-1]
        pool = tf.reduce_mean(x, [1, 2], keepdims=True, name="pool_3")
        weight = tf.constant(random(num_channels, 4), name="weight")
        tf.matmul(tf.reshape(pool, [-1, num_channels]), weight, name="softmax/logits/MatMul")
    definition = made.as_graph_def()
    definition.versions.producer = 8  # after which BatchNormWithGlobalNormalization was removed
    definition.versions.min_consumer = 0
    for node in definition.node:
        if node.name.startswith("old"):
            make_old(node)
        node.name = names.get(node.name, node.name)
    path.write_bytes(definition.SerializeToString())
    return definition


def make_old(node):
    """Rewrite a fused batch norm as the operation that TensorFlow still runs, but no longer builds."""
    x, gamma, beta, mean, variance = node.input
    scaled = node.name == "old_scaled"
    node.op = "BatchNormWithGlobalNormalization"
    node.input[:] = [x, mean, variance, beta, gamma]
    node.attr.clear()
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["variance_epsilon"].f = 0.01
    node.attr["scale_after_normalization"].b = scaled


@pytest.mark.parametrize("side", [4, 8, 16, 32, 299])
def test_features_of_the_small_extractor_equal_tensorflow(frozen, side):
    batch = images(5, side)
    assert_alike(TorchGraph(frozen).features(batch, batch_size=3), FrozenGraph(frozen).features(batch, batch_size=3))


def convolve(x, height, width, channels, **options):
    kernel = random(height, width, x.shape[-1], channels)
    options = {"strides": 1, "padding": "SAME"} | options
    return tf.nn.conv2d(x, kernel, **options)


def widen(x):
    """Seven channels and more, some of them constant, some below zero and some beyond six."""
    return tf.concat([x, 4 * x + 4, convolve(x, 1, 1, 3)], axis=-1)


def statistics(x):
    return [random(x.shape[-1], seed=seed, low=0.1, high=2.0) for seed in range(4)]


def fused(version, epsilon):
    def build(x):
        x = widen(x)
        scale, offset, mean, variance = statistics(x)
        op = getattr(raw, f"FusedBatchNorm{version}")
        return op(x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=epsilon, is_training=False).y

    return build


def old(scaled):
    def build(x):
        mean, variance, beta, gamma = (tf.constant(value) for value in statistics(widen(x)))
        name = "old_scaled" if scaled else "old"
        made = raw.FusedBatchNorm(
            x=widen(x), scale=gamma, offset=beta, mean=mean, variance=variance, is_training=False, name=name
        )
        return made.y

    return build


def normalised(y):
    scale, offset, mean, variance = statistics(y)
    return raw.FusedBatchNorm(x=y, scale=scale, offset=offset, mean=mean, variance=variance, is_training=False).y


def beside(change, y):
    """What changes `y` must leave it as it is, for another node reads it as well."""
    return tf.concat([change(y), y], axis=-1)


def pooled(op, size, stride, padding):
    return lambda x: op(widen(x), ksize=size, strides=stride, padding=padding)


POOLS = {
    f"{op.__name__} {size} {stride} {padding}": pooled(op, size, stride, padding)
    for op in (tf.nn.max_pool2d, tf.nn.avg_pool2d)
    for size, stride in ((2, 1), (2, 2), (3, 1), (3, 2), ([1, 4], [1, 3]))
    for padding in ("SAME", "VALID")
}
CONVOLUTIONS = {
    f"convolution {size} {options}": lambda x, size=size, options=options: convolve(x, *size, 8, **options)
    for size in ((3, 3), (1, 7), (2, 5))
    for options in (
        {"padding": "VALID"},
        {"strides": 2},
        {"strides": (2, 3)},
        {"dilations": 2},
        {"padding": "VALID", "strides": 2},
    )
}
CASES = {
    **POOLS,
    **CONVOLUTIONS,
    "FusedBatchNorm": fused("", 0.01),
    "FusedBatchNormV2": fused("V2", 0.001),
    "FusedBatchNormV3": fused("V3", 0.001),
    "BatchNormWithGlobalNormalization": old(True),
    "BatchNormWithGlobalNormalization unscaled": old(False),
    "batch norm of a convolution": lambda x: tf.nn.relu(normalised(convolve(x, 3, 3, 8))),
    "batch norm of a convolution read twice": lambda x: beside(normalised, convolve(x, 3, 3, 8)),
    "Relu of a batch norm read twice": lambda x: beside(tf.nn.relu, normalised(convolve(x, 3, 3, 8))),
    "Relu of a BiasAdd read twice": lambda x: beside(tf.nn.relu, tf.nn.bias_add(widen(x), random(9))),
    "Relu of a view": lambda x: beside(tf.nn.relu, tf.reshape(convolve(x, 3, 3, 8), [4, -1, 1, 8])),
    "kernel of an Identity": lambda x: tf.nn.conv2d(x, tf.identity(random(3, 3, 3, 8)), 1, "SAME"),
    "kernel computed of constants": lambda x: tf.nn.conv2d(x, 2 * tf.constant(random(3, 3, 3, 8)) - 0.5, 1, "SAME"),
    "Identity and CheckNumerics": lambda x: tf.identity(raw.CheckNumerics(tensor=widen(x), message="bad")),
    "BiasAdd": lambda x: tf.nn.bias_add(widen(x), random(9)),
    "Add": lambda x: raw.Add(x=widen(x), y=random(9)),
    "AddV2": lambda x: raw.AddV2(x=widen(x), y=widen(x)),
    "Sub": lambda x: random(9) - widen(x),
    "Mul": lambda x: widen(x) * 0.3,
    "RealDiv": lambda x: raw.RealDiv(x=widen(x), y=random(9, low=1, high=2)),
    "Maximum": lambda x: tf.maximum(widen(x), 0.1 * widen(x)),
    "Relu": lambda x: tf.nn.relu(widen(x)),
    "Relu6": lambda x: tf.nn.relu6(widen(x)),
    "Concat": lambda x: raw.Concat(concat_dim=3, values=[x, widen(x), x]),
    "ConcatV2": lambda x: raw.ConcatV2(values=[x, widen(x), x], axis=-1),
    "ConcatV2 of rows": lambda x: raw.ConcatV2(values=[widen(x), widen(x)], axis=1),
    "ResizeBilinear up": lambda x: raw.ResizeBilinear(images=widen(x), size=[29, 29]),
    "ResizeBilinear to 299": lambda x: raw.ResizeBilinear(images=widen(x), size=[299, 299]),
    "ResizeBilinear down": lambda x: raw.ResizeBilinear(images=widen(x), size=[6, 6]),
    "Pad": lambda x: tf.pad(widen(x), [[0, 0], [1, 2], [3, 0], [0, 1]]),
    "Softmax": lambda x: tf.nn.softmax(widen(x)),
    "MatMul and Reshape": lambda x: tf.reshape(
        tf.matmul(tf.reshape(widen(x), [-1, 9]), random(8, 9), transpose_b=True), [4, -1, 1, 8]
    ),
    "Mean, Squeeze and ExpandDims": lambda x: tf.expand_dims(
        tf.squeeze(tf.reduce_mean(widen(x), [2], keepdims=True), axis=[2]), 1
    ),
    "Mean without its axes": lambda x: tf.reshape(tf.reduce_mean(widen(x), [1, 2]), [-1, 1, 1, 9]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("side", [9, 12])
def test_operations_equal_tensorflow(tmp_path, name, side):
    path = tmp_path / "graph.pb"
    write_graph(path, CASES[name])
    batch = images(4, side)
    assert_alike(TorchGraph(path).features(batch, batch_size=4), FrozenGraph(path).features(batch, batch_size=4))


@pytest.mark.parametrize("name", CASES)
def test_operations_stay_on_the_device(tmp_path, name):
    """The meta device computes shapes alone, and refuses tensors that are elsewhere, as a GPU would."""
    definition = write_graph(tmp_path / "graph.pb", CASES[name])
    program = TorchProgram(definition, torch.device("meta"))
    given = torch.empty(4, 12, 13, 3, device="meta")
    with torch.inference_mode():
        outputs = program(given)
    assert {value.device.type for value in (*program.constants.values(), *outputs)} == {"meta"}
    expected = TorchGraph(tmp_path / "graph.pb").features(images(4, 12), batch_size=4)
    assert [output.shape for output in outputs] == [expected.pool.shape, expected.spatial.shape, expected.logits.shape]


def test_every_operation_is_compared(tmp_path):
    compared = set()
    for build in CASES.values():
        compared |= {node.op for node in write_graph(tmp_path / "graph.pb", build).node}
    assert set(OPERATIONS) <= compared


@pytest.mark.parametrize(
    ("dtype", "field"),
    [
        ("float32", "float_val"),
        ("float64", "double_val"),
        ("float16", "half_val"),
        ("int32", "int_val"),
        ("uint8", "int_val"),
        ("int64", "int64_val"),
        ("bool", "bool_val"),
    ],
)
def test_constants_as_bytes_or_as_values(dtype, field):
    values = np.array([3, 0, 2, 2, 2, 2]).astype(dtype)
    node = tf.NodeDef(name="made", op="Const")
    tensor = node.attr["value"].tensor
    tensor.CopyFrom(tf.make_tensor_proto(values.reshape(2, 3)))
    tensor.ClearField(field)
    tensor.tensor_content = values.tobytes()
    np.testing.assert_array_equal(constant(node).numpy(), values.reshape(2, 3))
    assert constant(node).numpy().dtype == dtype
    tensor.ClearField("tensor_content")
    for given in (values, values[:3], values[:1], values[:0]):  # the last one stands for the rest
        tensor.ClearField(field)
        getattr(tensor, field).extend((given.view(np.uint16) if dtype == "float16" else given).tolist())
        rest = [given[-1] if len(given) else 0] * (6 - len(given))
        np.testing.assert_array_equal(constant(node).numpy(), np.reshape([*given, *rest], (2, 3)))
        assert constant(node).numpy().dtype == dtype


def test_a_constant_of_text_is_refused():
    node = tf.NodeDef(name="made", op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("text"))
    with pytest.raises(ValueError, match="constant made has data type 7, expected one of"):
        constant(node)


def test_what_the_features_do_not_depend_on_is_not_read(tmp_path):
    """A JPEG decoder in front, a batch of one baked in, control inputs, and an unknown head."""
    path = tmp_path / "graph.pb"
    with tf.Graph().as_default() as made:
        image = tf.image.decode_jpeg(tf.constant(b"", name="contents"), channels=3)
        x = tf.expand_dims(tf.cast(image, tf.float32), 0, name="ExpandDims")
        with tf.control_dependencies([tf.py_function(lambda: 1.0, [], tf.float32)]):
            x = tf.nn.relu(convolve(x, 3, 3, 8), name="mixed_6/conv")
        x = tf.nn.avg_pool2d(x, 6, 1, "VALID", name="pool_3")
        tf.matmul(tf.reshape(x, [1, 16]), tf.constant(random(16, 5)), name="softmax/logits/MatMul")
    path.write_bytes(made.as_graph_def().SerializeToString())
    got = TorchGraph(path).features(images(7, 6), batch_size=4)
    assert (got.pool.shape, got.spatial.shape, got.logits.shape) == ((7, 16), (7, 6 * 7 * 7), (7, 5))
    np.testing.assert_allclose(got.logits, got.pool @ random(16, 5), rtol=1e-4, atol=1e-3)


def test_features_do_not_depend_on_how_images_come(frozen):
    graph, batch = TorchGraph(frozen), images(11, 8)
    whole = graph.features(batch, batch_size=4)
    pieces = graph.features((batch[i:j] for i, j in ((0, 1), (1, 1), (1, 7), (7, 11))), batch_size=4)
    for name in ("pool", "spatial", "logits"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


def test_tensorflow_is_not_imported(frozen):
    code = (
        "import sys, pathlib, numpy as np\n"
        "from adm.metrics.torch_graph import TorchGraph\n"
        "TorchGraph(pathlib.Path(sys.argv[1])).features(np.zeros((1, 8, 8, 3), np.uint8))\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('tensorflow', 'keras')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(frozen)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def refuse(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        TorchGraph(path).features(images(1, 8))
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: raw.Elu(features=widen(x), name="here"), "op Elu of node here is not one of"),
        (lambda x: widen(x) + tf.placeholder(tf.float32, [], name="here"), "op Placeholder of node here"),
        (
            lambda x: raw.ResizeBilinear(images=widen(x), size=[8, 8], align_corners=True, name="here"),
            "align_corners of node here .* is True, expected False",
        ),
        (
            lambda x: tf.nn.conv2d(x, random(3, 3, 3, 8), 1, [[0, 0], [1, 1], [1, 1], [0, 0]], name="here"),
            "padding of node here .* is b'EXPLICIT', expected b'SAME'",
        ),
        (
            lambda x: tf.nn.max_pool2d(widen(x), 2, 2, "SAME", data_format="NCHW", name="here"),
            "data_format of node here",
        ),
        (
            lambda x: (
                raw.FusedBatchNormV3(
                    x=widen(x), scale=random(9), offset=random(9), mean=random(9), variance=random(9), name="here"
                ).y
            ),
            "is_training of node here",
        ),
        (lambda x: tf.split(tf.concat([widen(x)] * 2, -1), 2, -1)[1], "reads split:1, but only first outputs"),
        (lambda x: x, "mixed_6/conv has 3 channels, expected at least 7"),
    ],
)
def test_what_cannot_be_computed_is_refused(tmp_path, build, message):
    path = tmp_path / "graph.pb"
    write_graph(path, build)
    refuse(path, message)


def test_only_squares_are_resized_to(tmp_path):
    write_graph(tmp_path / "graph.pb", lambda x: raw.ResizeBilinear(images=widen(x), size=[8, 9], name="here"))
    with pytest.raises(ValueError, match="node here resizes to 8 x 9, expected a square"):
        TorchGraph(tmp_path / "graph.pb").features(images(1, 8))


def test_a_batch_norm_trains_unless_told_otherwise(tmp_path):
    path = tmp_path / "graph.pb"
    definition = write_graph(path, fused("V3", 0.001))
    for node in definition.node:
        if node.op.startswith("FusedBatchNorm"):
            del node.attr["is_training"]
    path.write_bytes(definition.SerializeToString())
    refuse(path, "is_training of node .* is True, expected False")


def test_threads_must_be_positive(frozen):
    with pytest.raises(ValueError, match="threads is 0"):
        TorchGraph(frozen, threads=0)
