"""Both executors of the Inception graph's topology give one answer, which is that of a third network."""

import numpy as np
import pytest
import torch
from inception_2015 import weights
from tensorboard.compat.proto.graph_pb2 import GraphDef
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from adm.metrics.executors import TorchGraph
from adm.metrics.frechet import frechet_distance
from adm.metrics.graph import FrozenGraph
from adm.metrics.statistics import feature_statistics

FEATURES = ("pool", "spatial", "logits")
BATCH = 4


def images(num, side, seed=0, contrast=1.0):
    """Coloured patches under noise: through random weights, images of noise alone all look alike."""
    rng = np.random.default_rng(seed)
    patch = np.arange(side) * 4 // side
    patches = 128 + contrast * rng.uniform(-128, 128, (num, 4, 4, 3))[:, patch][:, :, patch]
    return (patches + rng.normal(0, 20, patches.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def executors(inception):
    return TorchGraph(inception), FrozenGraph(inception)


@pytest.fixture(scope="module")
def definition(inception):
    return GraphDef.FromString(inception.read_bytes())


def differences(got, expected):
    """Of (N, D) features, the norm of the difference over the norm; then the same of each feature alone, at its worst.

    A feature that is less than a tenth of what features are on average (random weights leave some at zero in every
    image) is measured against that tenth.
    """
    error, scale = (np.square(each, dtype=np.float64) for each in (got - expected, expected))
    each = error.mean(axis=0) / np.maximum(scale.mean(axis=0), 0.01 * scale.mean())
    return np.sqrt(error.sum() / scale.sum()), np.sqrt(each.max())


@pytest.mark.parametrize("side", [32, 299])
def test_features_equal_tensorflow(executors, side):
    got, expected = (executor.features(images(3, side), BATCH) for executor in executors)
    assert (got.pool.shape, got.spatial.shape, got.logits.shape) == ((3, 2048), (3, 2023), (3, 1008))
    for name in FEATURES:
        ours, theirs = getattr(got, name), getattr(expected, name)
        whole, worst = differences(ours, theirs)
        print(f"{side} {name}: of the norm {whole:.1e}, of the worst feature's {worst:.1e}")
        assert whole < 1e-4
        assert worst < 1e-4


@pytest.mark.slow
def test_distances_equal_tensorflow(executors):
    sets = [images(8, 64, seed=1), images(8, 64, seed=2, contrast=0.4)]
    features = [[executor.features(batch, 8) for batch in sets] for executor in executors]
    for name in ("pool", "spatial"):
        ours, theirs = (
            frechet_distance(*(feature_statistics(getattr(each, name)) for each in pair)) for pair in features
        )
        print(f"{name}: {ours:.6f} and {theirs:.6f}, relative {abs(ours / theirs - 1):.1e}")
        assert theirs > 1
        assert abs(ours / theirs - 1) < 1e-3


class Fidelity(fidelity.FeatureExtractorInceptionV3):
    """Torch-fidelity's network of the 2015 graph in float64; weights come in the graph's order, which is its own."""

    def __init__(self, weights, monkeypatch):
        self.weights = weights
        monkeypatch.setattr(fidelity.torch, "load", lambda *_, **__: None)
        names = ["2048", "logits_unbiased"]
        super().__init__(
            "inception", names, feature_extractor_weights_path="", feature_extractor_internal_dtype="float64"
        )

    def load_state_dict(self, _):
        names = [name for name in self.state_dict() if not name.endswith("num_batches_tracked")]
        super().load_state_dict(dict(zip(names, self.weights, strict=True)), strict=False)


def test_features_equal_those_of_another_network(executors, definition, monkeypatch):
    network = Fidelity(weights(definition), monkeypatch)
    spatial = []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda _, __, output: spatial.append(output))
    batch = images(3, 299)
    with torch.no_grad():
        pool, logits = (each.numpy() for each in network(torch.from_numpy(batch).permute(0, 3, 1, 2)))
    spatial = spatial[0][:, :7].permute(0, 2, 3, 1).reshape(3, -1).numpy()
    for executor in executors:
        got = executor.features(batch, BATCH)
        for ours, theirs in ((got.pool, pool), (got.spatial, spatial), (got.logits, logits)):
            assert differences(ours, theirs)[0] < 1e-5


def test_features_say_something(executors):
    """Weights that let every image look alike, or fade or explode on the way, would let every executor pass."""
    got = executors[0].features(images(8, 32), 8)
    for name in FEATURES:
        array = getattr(got, name)
        assert 0.3 < np.sqrt(np.square(array).mean()) < 3
        assert array.std(axis=0).mean() > 0.03


def test_the_graph_is_the_one_of_2015(definition):
    nodes = {node.name: node for node in definition.node}
    ops = {name: node.op for name, node in nodes.items()}
    expected = {
        "DecodeJpeg/contents": "Const",
        "ExpandDims": "ExpandDims",
        "ResizeBilinear": "ResizeBilinear",
        "conv/batchnorm": "BatchNormWithGlobalNormalization",
        "pool/control_dependency": "Identity",
        "pool_1": "MaxPool",
        "mixed/join": "Concat",
        "mixed_6/conv": "Relu",
        "mixed_9/tower/mixed/conv_1/CheckNumerics": "CheckNumerics",
        "mixed_9/tower_2/pool": "AvgPool",
        "mixed_10/tower_2/pool": "MaxPool",
        "pool_3": "AvgPool",
        "pool_3/_reshape": "Reshape",
        "softmax/logits": "BiasAdd",
        "softmax": "Softmax",
    }
    assert {name: ops.get(name) for name in expected} == expected
    assert sum(op == "Conv2D" for op in ops.values()) == 94
    assert nodes["conv"].input[0] == "conv/control_dependency"
    assert list(nodes["conv/control_dependency"].input) == ["conv/batchnorm", "^conv/CheckNumerics"]
    # The released file has 95,673,916 bytes: the weights are all there, and of the same shapes.
    assert abs(definition.ByteSize() - 95_673_916) < 10_000
