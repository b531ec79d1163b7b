"""A small graph with the 2015 graph's names, sample batches and references of 8x8 images."""

import numpy as np
import pytest
import torch

from adm.metrics.freeze import freeze
from adm.metrics.small_extractor import ExtractorNetwork
from adm.metrics.statistics import feature_statistics
from adm.metrics.torch_graph import TorchGraph

SIDE = 8


@pytest.fixture(scope="session")
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "graph.pb"
    path.write_bytes(freeze(ExtractorNetwork(num_classes=10, generator=torch.Generator().manual_seed(0), width=8)))
    return path


def digits_like(seed, num):
    """Images of blurred noise, darker in every second one, and their class."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (num, SIDE // 2, SIDE // 2, 3))
    labels = np.arange(num) % 2
    images = np.repeat(np.repeat(coarse, 2, axis=1), 2, axis=2) // (1 + labels[:, None, None, None])
    return images.astype(np.uint8), labels


@pytest.fixture(scope="session")
def batches(graph, tmp_path_factory):
    """Sample batches and references, each a file of its own name."""
    folder = tmp_path_factory.mktemp("batches")
    (fake, fake_labels), (real, real_labels) = digits_like(0, 90), digits_like(1, 120)
    features = TorchGraph(graph).features(real, 64)
    pool, spatial = feature_statistics(features.pool), feature_statistics(features.spatial)
    stored = {"mu": pool.mu, "sigma": pool.sigma, "mu_s": spatial.mu, "sigma_s": spatial.sigma}
    np.savez(folder / "samples.npz", arr_0=fake, arr_1=fake_labels)
    np.savez_compressed(folder / "compressed.npz", arr_0=fake, arr_1=fake_labels.astype(np.int32))
    np.savez(folder / "unlabelled.npz", fake)
    np.savez(folder / "images.npz", arr_0=real, arr_1=real_labels)
    np.savez(folder / "both.npz", **stored, arr_0=real)
    np.savez(folder / "statistics.npz", **stored)
    return folder
