"""`adopt`: a published file becomes an artifact of this project: a checkpoint, samples, a reference or a graph."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from adm.artifacts.class_names import fact_of
from adm.artifacts.manifest import MadeBy, differing, read_manifest, write_manifest
from adm.artifacts.streaming import CHUNK, write_npz_rows
from adm.artifacts.writing import new_folder
from adm.config.files import PublishedFile
from adm.data.images import Images, labels_of, open_npz
from adm.errors import UserError
from adm.metrics.batches import GRAPH, write_reference
from adm.metrics.dinov2 import empty_network
from adm.metrics.executors import WEIGHTS
from adm.metrics.statistics import read_published_statistics
from adm.nets.opening import open_network
from adm.nets.release import read_weights
from adm.nets.weights import model_network, read_tensors, write_tensors
from adm.params.data import (
    PublishedCheckpointParams,
    PublishedGraphParams,
    PublishedReferenceParams,
    PublishedSamplesParams,
)
from adm.params.models import ModelParams
from adm.progress import rows_of
from adm.sampling.batch import SAMPLES


def run(published: PublishedFile, model: ModelParams | None, source: Path, out: Path, made_by: MadeBy) -> None:
    """Turn a fetched folder into an artifact.

    Args:
        published: The file's section of the params file; its class decides the kind of artifact.
        model: For a checkpoint, the section of its model; None for other kinds.
        source: The folder from `fetch`.
        out: The artifact to write.
        made_by: What it records.

    Raises:
        UserError: The file has another format, or does not fit its section or model.
    """
    read_manifest(source)
    with new_folder(out) as folder:
        facts = _adopt(published, model, source / published.filename, folder)
        write_manifest(folder, made_by, facts)


def _adopt(published: PublishedFile, model: ModelParams | None, path: Path, folder: Path) -> dict[str, Any]:
    match published:
        case PublishedCheckpointParams():
            assert model is not None
            owner, names = f"model {published.model!r}", None
            if path.name == "ema.safetensors":  # of a checkpoint's folder
                weights = read_tensors(path, model_network(model).state_dict())
            elif path.suffix == ".safetensors":
                opened = open_network(path)
                its, own = (one.model_dump(include={"kind", "noise", "network"}) for one in (opened.model, model))
                for name, found, wanted in differing(its, own):
                    raise UserError(f"{path}: its {name} is {found!r}, but {owner} has {wanted!r}")
                weights, names = opened.network.state_dict(), opened.card.class_names
            else:
                weights = read_weights(path, model_network(model), owner)
            write_tensors(folder / "ema.safetensors", weights)
            count = sum(tensor.numel() for tensor in weights.values())
            return {"step": published.iteration, "num_parameters": count, **fact_of(names)}
        case PublishedSamplesParams():
            images = _images(path, published.image_size, published.num_samples)
            given = labels_of(images)
            labels = np.zeros(images.count, np.int64) if given is None else given
            pixels = rows_of(images.chunks(CHUNK), images.count)
            write_npz_rows(folder / SAMPLES, arr_0=(images.count, pixels), arr_1=(len(labels), [labels]))
            return {
                "num_samples": images.count,
                "published_samples": images.total,
                "labelled": given is not None,
            }
        case PublishedReferenceParams():
            pool, spatial = read_published_statistics(path)
            images = _images(path, published.image_size)
            write_reference(folder, pool, spatial, images.count, rows_of(images.chunks(CHUNK), images.count))
            return {"num_images": images.count, "published_images": images.total}
        case PublishedGraphParams():
            if published.network is None:
                shutil.copyfile(path, folder / GRAPH)
                return {}
            owner = f"network {published.network!r}"
            weights = read_weights(path, empty_network(published.network), owner, released=False)
            write_tensors(folder / WEIGHTS, weights)
            return {"num_parameters": sum(tensor.numel() for tensor in weights.values())}
    raise AssertionError(published)


def _images(path: Path, side: int, count: int | None = None) -> Images:
    images = open_npz(path, count)
    if images.size != (side, side):
        height, width = images.size
        raise UserError(f"{path}: arr_0: holds images of {height}x{width}, not of image_size {side}")
    return images
