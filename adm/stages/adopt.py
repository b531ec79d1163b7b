"""`adopt`: a published file as one of the project's own artifacts: a checkpoint, samples, a reference or a graph."""

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from adm.artifacts.manifest import provenance, read_manifest, write_manifest
from adm.artifacts.writing import new_folder, write_npz
from adm.metrics.batches import GRAPH, write_reference
from adm.metrics.published import read_published_reference, read_published_samples
from adm.nets.published import read_published
from adm.params.models import ModelParams
from adm.params.published import (
    PublishedCheckpointParams,
    PublishedGraphParams,
    PublishedParams,
    PublishedReferenceParams,
    PublishedSamplesParams,
)
from adm.sampling.batch import SAMPLES


def run(published: PublishedParams, model: ModelParams | None, source: Path, out: Path) -> None:
    """Turn a fetched folder into an artifact.

    Args:
        published: Its section of the params file, which tells what it is.
        model: The section of the model that a checkpoint must be of; None for anything else.
        source: What `fetch` wrote.
        out: What to write.

    Raises:
        UserError: The file is of another format, or does not fit its section or model.
    """
    sections = {"published": published, **({} if model is None else {"model": model})}
    made_by = provenance("adopt", sections, {"source": source}, ["numpy", "safetensors", "torch"])
    read_manifest(source, "fetch")
    with new_folder(out) as folder:
        facts = _adopt(published, model, source / published.filename, folder)
        write_manifest(folder, made_by, facts)


def _adopt(published: PublishedParams, model: ModelParams | None, path: Path, folder: Path) -> dict[str, Any]:
    match published:
        case PublishedCheckpointParams():
            assert model is not None
            weights = read_published(path, model, published.model)
            save_file(weights, folder / "ema.safetensors")
            # The library makes files that only their owner can read.
            (folder / "ema.safetensors").chmod(0o644)
            return {"step": published.iteration, "num_parameters": sum(tensor.numel() for tensor in weights.values())}
        case PublishedSamplesParams():
            images, labels, facts = read_published_samples(path, published.image_size, published.num_samples)
            write_npz(folder / SAMPLES, arr_0=images, arr_1=labels)
            return facts
        case PublishedReferenceParams():
            pool, spatial, real, facts = read_published_reference(path, published.image_size, published.num_images)
            write_reference(folder, pool, spatial, real)
            return facts
        case PublishedGraphParams():
            shutil.copyfile(path, folder / GRAPH)
            return {}
    raise AssertionError(published)
