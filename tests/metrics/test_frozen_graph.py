import numpy as np
import pytest
import torch

from adm.metrics.freeze import freeze
from adm.metrics.graph import FrozenGraph
from adm.metrics.small_extractor import ExtractorNetwork, legacy_resize_bilinear
from adm.metrics.tensorflow_loader import load_tensorflow

tf = load_tensorflow().compat.v1


def network(seed=0, **sizes):
    made = ExtractorNetwork(num_classes=10, generator=torch.Generator().manual_seed(seed), **sizes)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):  # zero at the start, and a bias left out would not show
                parameter.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(seed))
    return made


def images(num, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, side, side + 1, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "extractor.pb"
    path.write_bytes(freeze(network()))
    return path


@pytest.fixture(scope="module")
def graph(frozen):
    return FrozenGraph(frozen, threads=1)


@pytest.mark.parametrize("side", [5, 8, 16, 28, 33])
def test_graph_computes_what_the_network_does(graph, side):
    made, batch = network(), images(5, side)
    with torch.no_grad():
        activations = made.activations(torch.from_numpy(batch))
        logits = made(torch.from_numpy(batch)) - made.logits.bias
    got = graph.features(batch, batch_size=3)
    spatial = activations.spatial[..., :7].reshape(5, -1).numpy()
    assert got.spatial.shape == (5, 4 * 4 * 7)
    for ours, theirs in ((activations.pool, got.pool), (spatial, got.spatial), (logits, got.logits)):
        assert theirs.dtype == np.float32
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_other_sizes_of_network(tmp_path):
    made = network(seed=1, side=8, width=4, num_features=5)
    path = tmp_path / "small.pb"
    path.write_bytes(freeze(made))
    got = FrozenGraph(path).features(images(2, 8))
    with torch.no_grad():
        pool = made.activations(torch.from_numpy(images(2, 8))).pool
    assert (got.pool.shape, got.spatial.shape, got.logits.shape) == ((2, 5), (2, 2 * 2 * 7), (2, 10))
    np.testing.assert_allclose(got.pool, pool, rtol=1e-5, atol=1e-5)


def test_features_do_not_depend_on_how_images_come(graph):
    batch = images(11, 8)
    whole = graph.features(batch, batch_size=4)
    pieces = graph.features((batch[i:j] for i, j in ((0, 1), (1, 1), (1, 7), (7, 11))), batch_size=4)
    for name in ("pool", "spatial", "logits"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


@pytest.mark.parametrize("num", [1, 4, 5])
def test_features_do_not_depend_on_the_number_of_images(graph, num):
    batch = images(9, 8)
    whole, some = graph.features(batch, batch_size=4), graph.features(batch[:num], batch_size=4)
    for name in ("pool", "spatial", "logits"):
        np.testing.assert_array_equal(getattr(whole, name)[:num], getattr(some, name))


def test_frozen_bytes_are_deterministic_and_carry_the_names(frozen):
    assert freeze(network()) == frozen.read_bytes()
    assert freeze(network(seed=1)) != frozen.read_bytes()
    definition = tf.GraphDef.FromString(frozen.read_bytes())
    nodes = {node.name: node for node in definition.node}
    names = {"ExpandDims", "mixed_6/conv", "pool_3", "softmax/logits/MatMul", "softmax/logits/BiasAdd", "softmax"}
    assert names <= nodes.keys()
    assert [d.size for d in nodes["ExpandDims"].attr["shape"].shape.dim] == [-1, -1, -1, 3]


def test_softmax_of_the_graph_is_that_of_the_network(frozen):
    batch = torch.from_numpy(images(3, 8)).float()
    with tf.Graph().as_default():
        definition = tf.GraphDef.FromString(frozen.read_bytes())
        given, softmax = tf.import_graph_def(definition, return_elements=["ExpandDims:0", "softmax:0"])
        with tf.Session() as session:
            got = session.run(softmax, {given: batch.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(got, network()(batch).softmax(dim=1), rtol=1e-4, atol=1e-6)


def graph_like_that_of_2015():
    """Build a graph as old as Inception's: an image decoder in front, a batch of one, an op now removed."""
    rng = np.random.default_rng(0)
    weight = {"kernel": rng.standard_normal((3, 3, 3, 8)), "logits": rng.standard_normal((8, 6))}
    weight = {name: value.astype(np.float32) for name, value in weight.items()}
    with tf.Graph().as_default() as made:
        image = tf.image.decode_jpeg(tf.constant(b"", name="contents"), channels=3)
        x = tf.expand_dims(tf.cast(image, tf.float32), 0, name="ExpandDims")
        x = tf.image.resize_bilinear(x, [9, 9]) / 128.0 - 1.0
        x = tf.nn.relu(tf.nn.conv2d(x, weight["kernel"], 1, "VALID"), name="mixed_6/conv")
        x = tf.nn.avg_pool2d(x, 7, 1, "VALID", name="pool_3")
        x = tf.matmul(tf.reshape(x, [1, 8]), tf.constant(weight["logits"]), name="softmax/logits/MatMul")
        tf.nn.softmax(x, name="softmax")
        definition = made.as_graph_def()
    definition.versions.producer = 8
    definition.versions.min_consumer = 0
    old = definition.node.add(name="old", op="BatchNormWithGlobalNormalization")
    old.input.extend(["mixed_6/conv", *["statistics"] * 4])
    old.attr["T"].type = tf.float32.as_datatype_enum
    old.attr["variance_epsilon"].f = 1e-3
    old.attr["scale_after_normalization"].b = True
    statistics = definition.node.add(name="statistics", op="Const")
    statistics.attr["dtype"].type = tf.float32.as_datatype_enum
    statistics.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ones(8, np.float32)))
    for node in definition.node:
        if node.name == "pool_3":  # the removed op is on the way to every feature
            node.input[0] = "old"
    return definition, weight


def test_a_graph_as_old_as_the_real_one_takes_batches(tmp_path):
    definition, weight = graph_like_that_of_2015()
    path = tmp_path / "old.pb"
    path.write_bytes(definition.SerializeToString())
    batch = images(5, 9)
    got = FrozenGraph(path).features(batch, batch_size=4)
    resized = legacy_resize_bilinear(torch.from_numpy(batch).float(), 9) / 128 - 1
    kernel = torch.from_numpy(weight["kernel"]).permute(3, 2, 0, 1)
    spatial = torch.relu(torch.nn.functional.conv2d(resized.permute(0, 3, 1, 2), kernel))
    pool = ((spatial - 1) / np.sqrt(1 + 1e-3) + 1).mean(dim=(2, 3))
    expected = spatial.permute(0, 2, 3, 1)[..., :7].reshape(5, -1)
    np.testing.assert_allclose(got.spatial, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got.pool, pool, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got.logits, pool.numpy() @ weight["logits"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "name", ["ExpandDims", "mixed_6/conv", "pool_3", "softmax/logits/MatMul"], ids=lambda name: name.split("/")[0]
)
def test_a_missing_node_is_named(frozen, tmp_path, name):
    definition = tf.GraphDef.FromString(frozen.read_bytes())
    for node in definition.node:
        if node.name == name:
            node.name = "something"
    path = tmp_path / "renamed.pb"
    path.write_bytes(definition.SerializeToString())
    with pytest.raises(ValueError, match=f"renamed.pb: no node {name}, expected") as caught:
        FrozenGraph(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a graph at all", b"\xff" * 100, b"<html></html>"])
def test_a_file_that_is_no_graph_is_refused(tmp_path, content):
    path = tmp_path / "bad.pb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.pb: .*GraphDef") as caught:
        FrozenGraph(path)
    assert "\n" not in str(caught.value)


def test_a_graph_that_cannot_be_imported_is_refused(frozen, tmp_path):
    definition = tf.GraphDef.FromString(frozen.read_bytes())
    next(node for node in definition.node if node.name == "softmax").op = "NoSuchOperation"
    path = tmp_path / "broken.pb"
    path.write_bytes(definition.SerializeToString())
    with pytest.raises(ValueError, match=r"broken\.pb: TensorFlow cannot import it: .*NoSuchOperation") as caught:
        FrozenGraph(path)
    assert "\n" not in str(caught.value)


def test_too_few_channels_are_refused(tmp_path):
    with tf.Graph().as_default() as made:
        x = tf.placeholder(tf.float32, [None, None, None, 3], name="ExpandDims")
        x = tf.nn.relu(x, name="mixed_6/conv")
        x = tf.reduce_mean(x, [1, 2], keepdims=True, name="pool_3")
        tf.matmul(tf.reshape(x, [-1, 3]), tf.constant(np.eye(3, dtype=np.float32)), name="softmax/logits/MatMul")
    path = tmp_path / "narrow.pb"
    path.write_bytes(made.as_graph_def().SerializeToString())
    with pytest.raises(ValueError, match="mixed_6/conv has 3 channels, expected at least 7"):
        FrozenGraph(path)


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), {}, "no images"),
        ([], {}, "no images"),
        (np.zeros((2, 8, 8, 3), np.float32), {}, "float32"),
        (np.zeros((2, 3, 8, 8), np.uint8), {}, r"shape \(2, 3, 8, 8\)"),
        (np.zeros((8, 8, 3), np.uint8), {}, r"shape \(8, 8, 3\)"),
        ([np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 9, 9, 3), np.uint8)], {}, "one size"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"batch_size": 0}, "batch size is 0"),
    ],
)
def test_bad_images_are_refused(graph, batch, options, message):
    with pytest.raises(ValueError, match=message):
        graph.features(batch, **options)


def test_threads_must_be_positive(frozen):
    with pytest.raises(ValueError, match="threads is 0"):
        FrozenGraph(frozen, threads=0)
