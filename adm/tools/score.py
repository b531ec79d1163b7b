"""`score`: Inception Score, FID, sFID, precision and recall of any samples against any reference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from adm.artifacts.manifest import library_versions, sha256
from adm.artifacts.writing import new_file, write_json
from adm.data.images import Images, open_images
from adm.metrics.bootstrap import bootstrap_metrics
from adm.metrics.executors import LIBRARIES, Executor, open_graph
from adm.metrics.features import Features
from adm.metrics.half_precision import half_precision_recall
from adm.metrics.inception import resize_inside
from adm.metrics.manifold import PrecisionRecall, precision_recall
from adm.metrics.per_class import per_class_precision_recall
from adm.metrics.scores import further_scores, scores
from adm.metrics.statistics import FeatureStatistics, feature_statistics
from adm.params.data import GraphParams
from adm.params.errors import UserError
from adm.report.intervals import FEWEST_REPLICATES, centred_draws, interval
from adm.report.printed import print_scores
from adm.tools.reference import Reference, open_reference
from adm.tools.second_extractor import SecondExtractor
from adm.tools.stored_features import FeatureStore, cache_folder

SEED = 0
"""Of whatever is drawn: the bootstrap, and the subsets that FID is extrapolated from."""

FEWEST = 4
"""Samples, or images of a reference: a point and its three neighbours."""


@dataclass(frozen=True)
class Options:
    """What is scored, and what is asked for beside the paper's five metrics.

    Attributes:
        num_samples: Score the first so many; None scores all.
        arithmetic: Of the distances for precision and recall; "float16" is the released evaluator's.
        replicates: Of the bootstrap behind intervals; 0 gives none.
        further: KID, density, coverage and FID-infinity too.
        per_class: Precision and recall of each class too.
        cache: Folder that keeps features for later calls.
        second: Another extractor, for Fréchet distance, KID and the manifold metrics of its features.
    """

    num_samples: int | None = None
    arithmetic: Literal["exact", "float16"] = "exact"
    replicates: int = 0
    further: bool = False
    per_class: bool = False
    cache: Path | None = None
    second: SecondExtractor | None = None


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
            found = _scores(FeatureStore(folder, graph, params, executor), fake, real, options)
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


def _scores(store: FeatureStore, fake: Images, real: Reference, options: Options) -> dict[str, Any]:
    samples = store.features(fake)
    points = store.features(real.images) if real.images else None
    pool, spatial = real.stored or _statistics(points)
    manifold = None if points is None else _manifold(points, samples, options)
    found: dict[str, Any] = {"metrics": scores(samples, pool, spatial, manifold)}
    if options.replicates:
        replicates = bootstrap_metrics(samples, pool, spatial, manifold, options.replicates, SEED)
        intervals = {name: interval(centred_draws(found["metrics"][name], drawn)) for name, drawn in replicates.items()}
        found["intervals"] = {name: [ends.low, ends.high] for name, ends in intervals.items()}
    if points is not None and options.further:
        found["further"] = further_scores(samples.pool, points.pool, pool, SEED)
    if points is not None and options.per_class:
        found["per_class"] = _per_class(points, samples, fake, real)
    if real.images is not None and options.second is not None:
        found["second_extractor"] = options.second.scores(fake, real.images)
    return {**found, "warnings": _warnings(samples, fake, real)}


def _statistics(points: Features | None) -> tuple[FeatureStatistics, FeatureStatistics]:
    assert points is not None
    return feature_statistics(points.pool), feature_statistics(points.spatial)


def _manifold(points: Features, samples: Features, options: Options) -> PrecisionRecall:
    recall = half_precision_recall if options.arithmetic == "float16" else precision_recall
    return recall(points.pool, samples.pool)


def _per_class(points: Features, samples: Features, fake: Images, real: Reference) -> dict[str, Any]:
    assert real.images is not None
    assert real.images.labels is not None
    assert fake.labels is not None
    found = per_class_precision_recall(points.pool, real.images.labels, samples.pool, fake.labels)
    return {
        str(label): None if manifold is None else {"precision": manifold.precision, "recall": manifold.recall}
        for label, manifold in found.items()
    }


def _warnings(samples: Features, fake: Images, real: Reference) -> list[str]:
    """What a reader of the numbers should know."""
    found = []
    for name, features in (("pooled", samples.pool), ("spatial", samples.spatial)):
        count, dimensions = features.shape
        if count <= dimensions:
            found.append(
                f"{count} samples do not exceed the {dimensions} {name} features: their covariance is singular, and "
                "the Fréchet distance biased upwards"
            )
    if real.images is None:
        found.append(f"{real.path.name} has no images: precision and recall cannot be computed")
    elif real.images.size != fake.size:
        sizes = ["x".join(map(str, images.size)) for images in (fake, real.images)]
        found.append(f"samples are {sizes[0]}, but the reference's images {sizes[1]}: the graph sees both resized")
    return found
