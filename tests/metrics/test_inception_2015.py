"""Both executors of the Inception graph's topology give one answer, which is that of a third network."""

import numpy as np
import pytest
import torch
from inception_2015 import weights
from tensorboard.compat.proto.graph_pb2 import GraphDef
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from adm.metrics.executors import TorchGraph
from adm.metrics.graph import FrozenGraph

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
