"""Scores of any samples against any reference, from files or arrays, with the provenance of what they rest on."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import library_versions, provenance, sha256
from adm.artifacts.released_files import placed
from adm.config.data import PlacedGraphParams
from adm.config.metrics import FEWEST_FOR_INTERVALS
from adm.data.images import Images, Pixels, images_of, open_images
from adm.errors import UserError
from adm.evaluation.scoring import Extractor, Options, Reference, open_reference, score
from adm.metrics.executors import libraries_of, open_graph
from adm.metrics.features import Executor
from adm.metrics.scores import NEIGHBOURS

FEWEST, FEWEST_FURTHER = NEIGHBOURS + 1, 6
"""Fewest images of samples and reference: a point and its neighbours (five for coverage)."""


def measure(
    samples: Path | Pixels,
    reference: Path | Pixels,
    graph: Path,
    params: PlacedGraphParams,
    options: Options,
) -> dict[str, Any]:
    """Score samples.

    Args:
        samples: An npz or a folder of images, or (N, H, W, 3) uint8.
        reference: The same, a reference batch in the released format, or the name of a released one.
        graph: The frozen graph of features, or "inception".
        params: How to run it; see `graph_params`.
        options: What to compute.

    Returns:
        The scores by name, warnings, and the provenance of what they rest on.

    Raises:
        UserError: An input is missing or damaged, or inputs do not fit each other.
    """
    # What is known by name may have to be fetched: the samples are checked before, and the graph comes last.
    limit = options.num_samples
    fake = open_images(samples, limit) if isinstance(samples, Path) else images_of(samples, "samples", limit)
    if isinstance(reference, Path):
        real = open_reference(placed(reference))
    else:
        real = Reference(Path("reference"), None, images_of(reference, "reference"))
    _check_inputs(fake, real, options)
    graph = placed(graph)
    largest = max(images.count for images in (fake, real.images) if images is not None)
    # Batches are padded, so a batch larger than the number of images would only waste time.
    params = params.model_copy(update={"feature_batch": min(params.feature_batch, largest)})
    try:
        executor = open_graph(params, graph, params.device)
    except ValueError as error:
        raise UserError(str(error)) from error
    _check_dimensions(executor, params, fake, real, graph)
    made_by = provenance("features", {"extractor": params}, {"graph": graph}, libraries_of(params))
    try:
        with threadpool_limits(params.threads), TemporaryDirectory(prefix="adm-features-") as folder:
            extractor = Extractor(executor, params, made_by, options.cache or Path(folder))
            found = score(extractor, fake, real, options)
    except ValueError as error:
        raise UserError(f"{fake.path} against {real.path}: {error}") from error
    return {
        **found,
        "provenance": {
            "samples": fake.describe(),
            "reference": real.describe(),
            "graph": {
                "name": graph.name,
                "sha256": sha256(graph),
                "resize": executor.resize,
                **params.model_dump(mode="json"),
            },
            "code": made_by["code"],
            "versions": library_versions(["adm", "numpy", "pillow", "scipy", *libraries_of(params)]),
        },
    }


def _check_inputs(fake: Images, real: Reference, options: Options) -> None:
    """Check early what would otherwise fail only after hours."""
    fewest = FEWEST_FURTHER if options.further else FEWEST
    if options.num_samples is not None and options.num_samples < fewest:
        raise UserError(f"--num-samples {options.num_samples}: is too few; what is asked for takes {fewest} or more")
    if options.intervals and fake.count < FEWEST_FOR_INTERVALS:
        raise UserError(f"--intervals: {fake.path} has {fake.count} images to score; {FEWEST_FOR_INTERVALS} are needed")
    for images in (fake, *([real.images] if real.images else [])):
        if images.count < fewest:
            raise UserError(f"{images.path}: holds {images.count} images, fewer than {fewest}")
    if real.images is None and (options.further or options.per_class):
        raise UserError(f"{real.path}: holds statistics alone; what was asked for needs its images, arr_0")
    if options.per_class:
        for labelled in (fake, real.images):
            if labelled is not None and labelled.labels is None:
                raise UserError(f"{labelled.path}: has no labels arr_1, which --per-class needs")


def _check_dimensions(
    executor: Executor, params: PlacedGraphParams, fake: Images, real: Reference, graph: Path
) -> None:
    """Run a black batch through the graph, and compare the features' dimensions with the reference's statistics."""
    if real.stored is None:
        return
    try:
        probe = executor.features(np.zeros((params.feature_batch, *fake.size, 3), np.uint8), params.feature_batch)
    except ValueError as error:
        raise UserError(str(error)) from error
    for names, statistics, features in (
        ("mu and sigma", real.stored[0], probe.pool),
        ("mu_s and sigma_s", real.stored[1], probe.spatial),
    ):
        if statistics.mu.size != features.shape[1]:
            raise UserError(
                f"{real.path}: {names} are of {statistics.mu.size} dimensions, but {graph} gives {features.shape[1]}; "
                "the reference was made with another graph"
            )


def graph_params(
    executor: Literal["torch", "tensorflow"], device: str, compiled: bool, batch: int, threads: int | None
) -> PlacedGraphParams:
    """How to run a graph; `threads` None means all cores, `device` "auto" a GPU where torch finds one, else the CPU.

    Raises:
        UserError: The library cannot run it with these values.
    """
    # Not every system reports which of its cores this process may use.
    ours: Any = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    found = threads or len(ours(0))
    if device == "auto":
        device = "cuda" if executor == "torch" and torch.cuda.is_available() else "cpu"
    try:
        return PlacedGraphParams(
            executor=executor, device=device, compiled=compiled, feature_batch=batch, threads=found
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = f"--{first['loc'][0]} {first['input']!r}: " if first["loc"] else ""
        raise UserError(place + first["msg"].removeprefix("Value error, ")) from error
