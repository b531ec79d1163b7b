"""DINOv2: preprocessing to the digit of dgm-eval's, and the network's arithmetic against its authors'."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms

from adm.metrics import dinov2
from adm.metrics.dinov2 import SIDE, Dinov2, VisionTransformer, empty_network, prepare
from adm.metrics.executors import TorchExecutor
from adm.params import load

SMALL = {"width": 12, "depth": 3, "heads": 3, "patch": 14, "trained_side": 70}


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(256, 256), (64, 64), (300, 180), (224, 224)])
def test_images_are_prepared_as_torchvision_prepares_pillows(size):
    pixels = images(3, *size)
    # A square edge, about which a bicubic filter overshoots.
    pixels[0, : size[0] // 2] = 0
    pixels[0, size[0] // 2 :] = 255
    theirs = transforms.Compose(
        [
            transforms.Resize((SIDE, SIDE), transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    expected = torch.stack([theirs(Image.fromarray(image)) for image in pixels])
    assert torch.equal(prepare(pixels), expected)


def weights_by_formula(network):
    """Weights that need no generator: sin(0.1 + 0.7 i + j) / 4 for the i-th value of the j-th tensor by name."""
    state = network.state_dict()
    for j, name in enumerate(sorted(state)):
        values = np.sin(0.1 + 0.7 * np.arange(state[name].numel()) + j) / 4
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(state[name].shape)
    network.load_state_dict(state)
    return network.eval()


AUTHORS = {
    70: "-0.218646 -0.20551 0.036145 0.099479 0.257287 -0.017261 -0.572903 -0.430893 -0.273807 -0.2181 -0.145982",
    28: "-0.218556 -0.206687 0.037569 0.098556 0.25754 -0.016677 -0.573267 -0.431014 -0.273665 -0.218035 -0.14704",
    224: "-0.218515 -0.207378 0.038469 0.098074 0.257689 -0.016263 -0.573524 -0.431084 -0.273632 -0.218013 -0.147644",
}
"""Of the class token of the first image below, by its side; by the published code, dinov2 0.0.1.dev2."""


@pytest.mark.parametrize("side", AUTHORS)
def test_the_class_token_is_the_authors(side):
    values = np.cos(0.3 * np.arange(2 * 3 * side * side)).reshape(2, 3, side, side)
    with torch.inference_mode():
        found = weights_by_formula(VisionTransformer(**SMALL))(torch.from_numpy(values.astype(np.float32)))
    np.testing.assert_allclose(found[0, :11], [float(number) for number in AUTHORS[side].split()], atol=2e-6)


def test_it_is_as_large_as_the_published_file(root):
    file = load(root / "scales" / "released" / "params.yaml").published.graphs["dinov2"]
    count = sum(value.numel() for value in empty_network(file.network).state_dict().values())
    # Float32, the token of masked patches, and some hundred bytes a tensor.
    assert 0 <= file.size - 4 * (count + 1024) < 150_000


def test_an_executor_gives_pooled_features_alone_whatever_the_batches(tmp_path, monkeypatch):
    monkeypatch.setitem(dinov2.NETWORKS, "dinov2-vitl14", SMALL)
    network = weights_by_formula(VisionTransformer(**SMALL))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    pixels = images(5, 20, 30)
    path = tmp_path / "weights.safetensors"
    executor = TorchExecutor(path, Dinov2(path, "dinov2-vitl14"), 1, "cpu")
    found = executor.features(pixels, batch_size=2)
    with torch.inference_mode():
        np.testing.assert_allclose(found.pool, network(prepare(pixels)), atol=1e-6)
    assert found.pool.dtype == np.float32
    assert (found.spatial.shape, found.logits.shape) == ((5, 0), (5, 0))
