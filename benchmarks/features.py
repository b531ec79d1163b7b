"""Pooled features of images of 64x64 through the network of 2015 with random weights, by torch, against others'."""

import runpy
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.models import inception_v3

from adm.metrics.executors import TorchGraph
from adm.metrics.graph import FrozenGraph
from benchmarks.clock import Timing, paired

BUILDER = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "metrics" / "inception_2015.py"))

Images = NDArray[np.uint8]
Extractor = Callable[[Images], NDArray[np.float32]]


def network(folder: Path) -> Path:
    """Write the graph, and its weights where the libraries look for those they download; return the graph's path."""
    definition = BUILDER["inception_2015"]()
    graph = folder / "inception.pb"
    graph.write_bytes(definition.SerializeToString())
    names = inception_v3(num_classes=1008, aux_logits=False, init_weights=False).state_dict()
    names = [name for name in names if not name.endswith("num_batches_tracked")]
    weights = dict(zip(names, BUILDER["weights"](definition), strict=True))
    torch.hub.set_dir(folder)
    (folder / "checkpoints").mkdir()
    for name in ("weights-inception", "pt_inception"):
        torch.save(weights, folder / "checkpoints" / f"{name}-2015-12-05-6726825d.pth")
    return graph


def rivals(graph: Path) -> Iterator[tuple[str, Extractor]]:
    """The name of each library, and pooled features (N, 2048) of images (N, H, W, 3) uint8 by its own resizing.

    The weights are random, since this needs no network; the TorchScript file of clean-fid holds its weights, so its
    network in Python stands in.
    """
    tensorflow = FrozenGraph(graph)
    yield "TensorFlow", lambda images: tensorflow.features(images, len(images)).pool

    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    fidelity = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    yield "torch-fidelity", lambda images: fidelity(_channels_first(images))[0].numpy()

    from pytorch_fid.inception import InceptionV3

    pytorch_fid = InceptionV3().eval()
    yield "pytorch-fid", lambda images: pytorch_fid(_channels_first(images) / 255)[0].flatten(1).numpy()

    from cleanfid.features import feature_extractor
    from cleanfid.resize import build_resizer

    clean = feature_extractor("pytorch_inception", torch.device("cpu"), use_dataparallel=False)
    resize = build_resizer("clean")
    yield "clean-fid", lambda images: clean(_channels_first(np.stack([resize(image) for image in images]))).numpy()


def _channels_first(images: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a library."""
    batch, repeats = (1, 1) if smallest else (16, 5)
    images = np.random.default_rng(0).integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        graph = network(Path(folder))
        ours = TorchGraph(graph)
        for rival, theirs in rivals(graph):
            what = f"features, {batch} of 64x64"
            yield paired(what, rival, partial(ours.features, images, batch), partial(theirs, images), repeats)
