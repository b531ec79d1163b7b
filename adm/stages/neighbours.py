"""`neighbours`: the images of a dataset that are nearest to each sample of a run."""

from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import MadeBy
from adm.artifacts.streaming import CHUNK, stretches
from adm.data.shards import ImageShards
from adm.errors import UserError, about
from adm.metrics.batches import read_features, require_same_graph
from adm.metrics.distances import nearest
from adm.params.runs import NeighboursParams
from adm.sampling.batch import read_batch
from adm.sampling.studies import Neighbours, write_study


def run(neighbours: NeighboursParams, inputs: dict[str, Path], out: Path, made_by: MadeBy) -> None:
    """Find neighbours by pooled features; `inputs` are "features", "samples", "dataset_features" and "data".

    Neighbours are training images only. Held-out images have features, too, but these come last and are not used.

    Raises:
        UserError: The dataset is too small.
    """
    require_same_graph(inputs["features"], inputs["dataset_features"])
    samples = read_batch(inputs["samples"])[0]
    data = ImageShards(inputs["data"], samples.shape[1])
    fake = read_features(inputs["features"])
    real = read_features(inputs["dataset_features"]).pool[: len(data)]
    if len(data) <= neighbours.k:
        raise UserError(f"{inputs['data']}: has {len(data)} images; {neighbours.k} neighbours need more")
    with about(f"{inputs['features']} against {inputs['dataset_features']}"), threadpool_limits(neighbours.threads):
        indices, distances = nearest(fake.pool, real, neighbours.k)
        _, spacing = nearest(real, real, 1)  # an image is not its own neighbour
    study = Neighbours(
        indices=indices.astype(np.int64),
        distances=distances.astype(np.float64),
        dataset_distances=spacing[:, 0].astype(np.float64),
        pixel_copies=np.concatenate(
            [
                (first == some).all(axis=(1, 2, 3))
                for first, some in zip(data.chunks(indices[:, 0]), stretches(samples, CHUNK), strict=True)
            ]
        ),
    )
    write_study(out, study, made_by)
