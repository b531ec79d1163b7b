"""`score`: Inception Score, FID, sFID, precision and recall of any samples against any reference."""

import os
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import library_versions, sha256
from adm.artifacts.writing import new_file, write_json
from adm.data.images import Images, open_images
from adm.evaluation.reference import Reference, open_reference
from adm.evaluation.scoring import Options, score
from adm.evaluation.second_extractor import SecondExtractor
from adm.evaluation.stored_features import FeatureStore, cache_folder
from adm.metrics.executors import LIBRARIES, Executor, open_graph
from adm.metrics.graph_resize import resize_inside
from adm.metrics.module_features import Resize, Scaling
from adm.params.data import GraphParams
from adm.params.errors import UserError
from adm.report.intervals import FEWEST_REPLICATES
from adm.report.printed import print_scores

FEWEST = 4
"""Samples, or images of a reference: a point and its three neighbours."""


def run(samples: Path, reference: Path, graph: Path, params: GraphParams, options: Options, out: Path | None) -> None:
    """Score samples, print the metrics and write them with what they rest on.

    Raises:
        UserError: An input is missing, damaged or does not fit another; nothing is written then.
    """
    if out is not None and out.is_dir():
        raise UserError(f"--out {out}: is a folder; the scores are one json file")
    if 0 < options.replicates < FEWEST_REPLICATES:
        raise UserError(
            f"--replicates {options.replicates}: is too few for intervals; give {FEWEST_REPLICATES} or more"
        )
    fake, real = open_images(samples, options.num_samples), open_reference(reference)
    _check_inputs(fake, real, options)
    try:
        executor, resize = open_graph(params, graph), resize_inside(graph)
        _check_dimensions(executor, fake, real, graph)
        with threadpool_limits(params.threads), cache_folder(options.cache) as folder:
            found = score(FeatureStore(folder, graph, params, executor), fake, real, options)
    except ValueError as error:
        raise UserError(f"{samples} against {reference}: {error}") from error
    report = {
        **found,
        "provenance": {
            "samples": fake.describe(),
            "reference": real.describe(),
            "graph": {"name": graph.name, "sha256": sha256(graph), "resize": resize, **params.model_dump(mode="json")},
            "arithmetic": options.arithmetic,
            "versions": library_versions(["numpy", "scipy", *LIBRARIES[params.executor]]),
        },
    }
    if out is not None:
        with new_file(out) as path:
            write_json(path, report)
    print_scores(f"{samples.name} against {reference.name}", report)


def _check_inputs(fake: Images, real: Reference, options: Options) -> None:
    """Refuse what would be found out only after hours."""
    for images in (fake, *([real.images] if real.images else [])):
        if images.count < FEWEST:
            raise UserError(f"{images.path}: holds {images.count} images, fewer than {FEWEST}")
    if real.images is None and (options.further or options.per_class or options.second):
        raise UserError(f"{real.path}: holds statistics alone; what was asked for needs its images, arr_0")
    if options.per_class:
        for labelled in (fake, real.images):
            if labelled is not None and labelled.labels is None:
                raise UserError(f"{labelled.path}: has no labels arr_1, which --per-class needs")


def _check_dimensions(executor: Executor, fake: Images, real: Reference, graph: Path) -> None:
    """Run one image through the graph, and compare what comes out with the reference's statistics."""
    if real.stored is None:
        return
    probe = executor.features(np.zeros((1, *fake.size, 3), np.uint8), 1)
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
) -> GraphParams:
    """How a graph is run; on all cores if `threads` is None.

    Raises:
        UserError: The library cannot run it so.
    """
    found = threads or len(os.sched_getaffinity(0))
    try:
        return GraphParams(executor=executor, device=device, compiled=compiled, feature_batch=batch, threads=found)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"--{first['loc'][0]} {first['input']!r}: " if first["loc"] else ""
        raise UserError(place + first["msg"].removeprefix("Value error, ")) from error


def second_extractor(
    module: Path | None, resize: str | None, scaling: Scaling, device: str, batch: int
) -> SecondExtractor | None:
    """The network that the user brings, if any.

    Raises:
        UserError: A resize without a network, or a network without one: what it sees must be named.
    """
    if module is None:
        if resize is not None:
            raise UserError(f"--resize {resize!r}: is for --module; the graph resizes by itself")
        return None
    if resize is None:
        raise UserError(f"--module {module}: needs --resize, such as bicubic-224")
    return SecondExtractor(module, Resize.parse(resize), scaling, device, batch)
