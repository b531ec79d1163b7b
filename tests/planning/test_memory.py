"""Memory that stages hold: it does not grow with the number of images."""

import tracemalloc

import numpy as np
from making import make, record, write_dataset

from adm.artifacts.manifest import write_manifest
from adm.artifacts.reading import read_npy
from adm.artifacts.writing import new_folder
from adm.metrics import distances
from adm.metrics.batches import write_features
from adm.metrics.features import Executor, Features
from adm.metrics.manifold import precision_recall
from adm.params.data import ReferenceParams
from adm.stages import reference


def peak_of(function):
    """Bytes that a function holds at most beyond what was there before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


INCEPTION = (2048, 17 * 17 * 7, 1008)


class Constant(Executor):
    """Features of the 2015 graph's widths that no graph computed."""

    def _outputs(self, batch):
        return tuple(np.zeros((len(batch), width), np.float32) for width in INCEPTION)


def test_features_are_held_a_batch_at_a_time(tmp_path):
    graph, held = Constant(tmp_path / "graph"), {}
    for count in (64, 256, 1024):
        images = np.zeros((count, 2, 2, 3), np.uint8)
        held[count] = peak_of(lambda images=images: write_features(tmp_path, len(images), graph.batches(images, 32)))
        assert read_npy(tmp_path / "pool.npy", "float32", (count, INCEPTION[0])).shape
    assert held[1024] - held[256] < 768 * 4 * sum(INCEPTION) / 20


def test_fitting_a_reference_holds_no_more_of_a_larger_dataset(tmp_path):
    side, widths, held = 8, (64, 64, 4), {}
    # Statistics are summed over thousands of rows at once.
    for count in (100, 9000, 24000):
        data, features = tmp_path / f"data-{count}", tmp_path / f"features-{count}"
        write_dataset(data, np.zeros((count, side, side, 3), np.uint8), shard_size=1000)
        with new_folder(features) as folder:
            write_features(folder, count, [Features(*(np.zeros((count, width), np.float32) for width in widths))])
            write_manifest(folder, record("features", {}, {"images": data, "graph": data}, []))
        section = ReferenceParams(dataset="d", extractor="e", num_images=count)
        held[count] = peak_of(lambda s=section, f=features, d=data: make(reference, s, f, d, tmp_path / "out"))
    assert held[24000] - held[9000] < 15000 * (3 * side**2 + 4 * sum(widths)) / 5


def test_neighbours_and_manifolds_hold_no_copy_of_pooled_features(monkeypatch):
    """A point's neighbours and bounds are little beside its features, of 4 bytes each."""
    monkeypatch.setattr(distances, "BLOCK", 256)
    width, held = 1024, {}
    for count in (100, 1000, 2000):
        first, second = (np.random.default_rng(seed).random((count, width), np.float32) for seed in (0, 1))
        held["neighbours", count] = peak_of(lambda a=first, b=second: distances.nearest(a, b, 3))
        held["manifolds", count] = peak_of(lambda a=first, b=second: precision_recall(a, b))
    for what in ("neighbours", "manifolds"):
        grown = held[what, 2000] - held[what, 1000]
        assert grown < 2 * 1000 * 4 * width / 5, what
