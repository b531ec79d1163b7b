"""Scores of any samples against any reference, from files or arrays, with the provenance of what they rest on.

And whether an FID is the one that was reported: its interval, and what would move it, measured on the same images.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits

from adm.artifacts.code import code_digest
from adm.artifacts.manifest import library_versions, provenance, read_manifest, sha256, write_manifest
from adm.artifacts.reading import names_in_npz
from adm.artifacts.released_files import placed
from adm.artifacts.writing import new_folder
from adm.config.base import Config, PositiveInt
from adm.config.data import Colour, GraphParams
from adm.config.metrics import FEWEST_FOR_INTERVALS, METRICS, PAPER_METRICS, RETRAINING
from adm.data.images import WHITE, Images, Pixels, images_of, is_network, open_images, open_npz
from adm.errors import UserError, about
from adm.metrics.batches import GRAPH, REFERENCE, write_features
from adm.metrics.executors import open_graph
from adm.metrics.features import LAYERS, Executor, Features
from adm.metrics.fid_infinity import fid_infinity
from adm.metrics.frechet import frechet_distance
from adm.metrics.intervals import block_of, metric_interval, t_interval
from adm.metrics.jackknife import Jackknife
from adm.metrics.manifold import NEIGHBOURS
from adm.metrics.protocols import EVALUATOR, PROTOCOLS
from adm.metrics.scores import MOST_SPATIAL_DIMENSIONS, SEED, MetricInputs, scores, with_intervals
from adm.metrics.statistics import STATISTICS, FeatureStatistics, feature_statistics, read_published_statistics
from adm.parallel import resolve_device
from adm.progress import rows_of

FEWEST, FEWEST_FURTHER = NEIGHBOURS + 1, 6
"""Fewest images of samples and reference: a point and its neighbours (five for coverage)."""

HALVES = 8
"""Halves of samples, and of a reference, over which their FID is averaged."""

PROBED = 2000
"""Images of samples and of the reference, at most, on which another resizing and another precision are measured."""

LEAST_OF_THREE = -1.5 / math.sqrt(math.pi)
"""The mean of the least of three standard normals."""


class Options(Config):
    """Which samples to score, and which results to compute besides the paper's five metrics.

    Attributes:
        num_samples: Score only this many samples from the start; None scores all.
        intervals: Whether to compute 95 % intervals, and standard errors of the further metrics.
        further: Whether to compute all other metrics of the registry.
        cache: Folder that keeps features for later calls.
        device: Where torch runs the graph; "auto" is a GPU where there is one.
        background: The colour that transparent images of folders are laid on.
        size: The side of the squares that images of folders are cropped and scaled to; None takes them as they are.
        protocol: One of PROTOCOLS, by which images are prepared.
        expect: An FID to compare with.
        alone: Whether to compute FID alone, as is done with another protocol or something expected.
    """

    num_samples: int | None = None
    intervals: bool = False
    further: bool = False
    cache: Path | None = None
    device: str = "auto"
    background: Colour = WHITE
    size: PositiveInt | None = None
    protocol: Literal["evaluator", "torch-fidelity", "pytorch-fid", "clean-fid"] = EVALUATOR
    expect: Annotated[float, Field(ge=0)] | None = None
    alone: bool = False

    @property
    def metrics(self) -> Sequence[str]:
        """Which of the paper's metrics to compute."""
        alone = self.alone or self.protocol != EVALUATOR or self.expect is not None
        return ("fid",) if alone else PAPER_METRICS


@dataclass(frozen=True, eq=False)
class Reference:
    """Stored statistics, images, or both; stored statistics may come from many more images.

    Attributes:
        path: The npz or the folder.
        stored: Statistics of pooled and of spatial features; None if they must be computed from the images.
        images: The images; None if there are only statistics.
        dropped: Whether it has statistics that are not of the protocol.
    """

    path: Path
    stored: tuple[FeatureStatistics, FeatureStatistics] | None
    images: Images | None
    dropped: bool = False

    def describe(self) -> dict[str, Any]:
        """Return facts about the reference for the record of a score."""
        images = self.images
        return {
            **(images.describe() if images else {"name": self.path.name, "sha256": sha256(self.path), "num_images": 0}),
            "statistics": "stored" if self.stored else "of the images",
        }


def open_reference(path: Path, background: str = WHITE, side: int | None = None) -> Reference:
    """Open a reference, as `open_images` does; statistics in an npz are used and not computed again.

    Raises:
        UserError: It holds neither images nor statistics, only some of the statistics, or statistics that do not fit.
    """
    if not path.is_file() or is_network(path):
        return Reference(path, None, open_images(path, None, background, side))
    names = names_in_npz(path)
    statistics = [name for name in STATISTICS if name in names]
    if not statistics and "arr_0" not in names:
        raise UserError(
            f"{path}: holds {', '.join(names) or 'nothing'}; a reference has {', '.join(STATISTICS)} or arr_0"
        )
    stored = read_published_statistics(path) if statistics else None
    return Reference(path, stored, open_npz(path) if "arr_0" in names else None)


def measure(
    samples: Path | Pixels,
    reference: Path | Pixels,
    graph: Path,
    params: GraphParams,
    options: Options,
    draw: Callable[[], Path] | None = None,
) -> dict[str, Any]:
    """Score samples.

    Args:
        samples: An npz or a folder of images, or (N, H, W, 3) uint8.
        reference: The same, a reference batch in the released format, or the name of a released one.
        graph: The frozen graph of features, or "inception".
        params: How to run it.
        options: What to compute.
        draw: Makes the samples, for which `samples` stand until all else is checked: to draw them may take hours.

    Returns:
        The scores by name, warnings, and the provenance of what they rest on.

    Raises:
        UserError: An input is missing or damaged, or inputs do not fit each other.
    """
    samples, reference = (_of_artifact(one) if isinstance(one, Path) else one for one in (samples, reference))
    if options.size and not any(isinstance(one, Path) and one.is_dir() for one in (samples, reference)):
        raise UserError(f"size {options.size}: crops and scales the images of folders, and none is given")
    # What is known by name may have to be fetched: the samples are checked before, and the graph comes last.
    limit, seen = options.num_samples, (options.background, options.size)
    fake = open_images(samples, limit, *seen) if isinstance(samples, Path) else images_of(samples, "samples", limit)
    if isinstance(reference, Path):
        real = open_reference(placed(reference), *seen)
    else:
        real = Reference(Path("reference"), None, images_of(reference, "reference"))
    if real.stored is not None and not PROTOCOLS[options.protocol].stored:
        if real.images is None:
            raise UserError(
                f"{real.path}: holds statistics alone, of images that the evaluator resized; protocol "
                f"{options.protocol!r} needs the images, arr_0"
            )
        real = replace(real, stored=None, dropped=True)
    _check_inputs(fake, real, options)
    device = "cpu"
    if params.executor == "torch":
        device = str(resolve_device(options.device))
    elif options.device not in ("auto", "cpu"):
        raise UserError(f"--device {options.device!r}: is not for executor 'tensorflow', which runs on 'cpu'")
    elif options.protocol != EVALUATOR:
        raise UserError(f"--as {options.protocol}: is not for executor 'tensorflow', whose graph resizes by itself")
    graph = placed(_of_artifact(graph))
    if not graph.is_file():
        raise UserError(f"{graph}: is no file; the graph is the Inception graph of 2015, or another frozen one")
    largest = max(images.count for images in (fake, real.images) if images is not None)
    # Batches are padded, so a batch larger than the number of images would only waste time.
    params = params.model_copy(update={"feature_batch": min(params.feature_batch, largest)})
    with about():
        executor = open_graph(params, graph, device, options.protocol)
    _check_dimensions(real, fake.size, executor, graph)
    fake = open_images(draw(), limit) if draw else fake
    read: dict[str, Any] = {"extractor": params, "device": device}
    if options.protocol != EVALUATOR:
        read["protocol"] = options.protocol
    made_by = provenance("features", code_digest("features"), read, {"graph": graph}, [])
    with (
        about(f"{fake.path} against {real.path}"),
        threadpool_limits(params.threads),
        TemporaryDirectory(prefix=f"features-to-score-{fake.path.name[:64]}-") as folder,
    ):
        computed = partial(_features, executor, params.feature_batch, made_by, options.cache or Path(folder))
        moved = dict(_moved(executor, params, graph, device, real.images, fake, options))
        results = _score(computed(fake), computed(real.images) if real.images else None, fake, real, options, moved)
    return {
        **results,
        "provenance": {
            "samples": fake.describe(),
            "reference": real.describe(),
            **({"background": options.background} if options.background != WHITE else {}),
            **({"size": options.size} if options.size else {}),
            "graph": {
                "name": graph.name,
                "sha256": sha256(graph),
                "resize": executor.resize,
                "protocol": options.protocol,
                **params.model_dump(mode="json"),
                "device": device,
            },
            "code": made_by["code"],
            "versions": library_versions(["adm", "numpy", "pillow", "scipy", *params.libraries]),
        },
    }


def _of_artifact(path: Path) -> Path:
    """Name the file in the folder of an artifact: of a reference, of samples or of an extractor."""
    return next((path / name for name in (REFERENCE, "samples.npz", GRAPH) if (path / name).is_file()), path)


def _check_inputs(fake: Images, real: Reference, options: Options) -> None:
    """Check early what would otherwise fail only after hours."""
    if options.cache is not None and options.cache.is_file():
        raise UserError(f"{options.cache}: is a file, and features are kept in a folder")
    fewest = FEWEST_FURTHER if options.further else FEWEST
    if options.num_samples is not None and options.num_samples < fewest:
        raise UserError(f"--num-samples {options.num_samples}: is too few; what is asked for takes {fewest} or more")
    asked = "--intervals" if options.intervals else "--expect"
    if (options.intervals or options.expect is not None) and fake.count < FEWEST_FOR_INTERVALS:
        raise UserError(f"{asked}: {fake.path} has {fake.count} of the {FEWEST_FOR_INTERVALS} images that it takes")
    for images in (fake, *([real.images] if real.images else [])):
        if images.count < fewest:
            raise UserError(f"{images.path}: holds {images.count} of the {fewest} images that it takes")
    if real.images is None and options.further:
        raise UserError(f"{real.path}: holds statistics alone; what was asked for needs its images, arr_0")


def _check_dimensions(real: Reference, size: tuple[int, int], executor: Executor, graph: Path) -> None:
    """Compare the dimensions of a reference's statistics with those of a graph's features of a black image."""
    if real.stored is None:
        return
    probed = executor.features(np.zeros((1, *size, 3), np.uint8), 1)
    for names, statistics, features in zip(
        ("mu and sigma", "mu_s and sigma_s"), real.stored, (probed.pool, probed.spatial), strict=True
    ):
        if statistics.mu.size != features.shape[1]:
            raise UserError(
                f"{real.path}: {names} are of {statistics.mu.size} dimensions, but {graph} gives {features.shape[1]}; "
                "the reference was made with another graph"
            )


def _moved(
    executor: Executor,
    params: GraphParams,
    graph: Path,
    device: str,
    real: Images | None,
    fake: Images,
    options: Options,
) -> Iterator[tuple[str, float]]:
    """Yield by how much another resizing and half precision move an FID that is to be compared with an expected one.

    It is of PROBED images, which lie evenly among all: these may be in the order of their classes.
    """
    if options.expect is None or real is None:
        return
    batch = params.feature_batch

    def fitted(executor: Executor, images: Images) -> FeatureStatistics:
        rows = np.arange(0, images.count, max(1, images.count / PROBED)).astype(np.int64)
        chunks = (
            chunk[rows[(rows >= number * batch) & (rows < number * batch + len(chunk))] - number * batch]
            for number, chunk in enumerate(images.chunks(batch))
        )
        return feature_statistics(executor.features((chunk for chunk in chunks if len(chunk)), batch).pool)

    def fid(executor: Executor) -> float:
        return frechet_distance(fitted(executor, real), fitted(executor, fake))

    plain = fid(executor)
    for other, one in PROTOCOLS.items():
        if one.prepare is not PROTOCOLS[options.protocol].prepare and other != "torch-fidelity":
            yield f"images resized {one.resize} ({other})", fid(open_graph(params, graph, device, other)) - plain
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        yield "features in bfloat16", fid(executor) - plain


def _features(executor: Executor, batch: int, made_by: dict[str, Any], cache: Path, images: Images) -> Features:
    """Return features of all images, mapped read-only from disk; missing ones are computed first.

    They are stored under a hash of the images and the extractor, whole or not at all, and written while they are
    computed: memory does not grow with the number of images. If two processes compute the same features at once, both
    write them; an existing mapping stays valid.
    """
    facts = {"images": images.digest(), "num_images": images.count, "decoder": library_versions(["pillow"])}
    folder = cache / hashlib.sha256(json.dumps([made_by, facts], sort_keys=True).encode()).hexdigest()[:16]
    if not folder.is_dir():
        with new_folder(folder) as unfinished:
            chunks = rows_of(images.chunks(batch), images.count, name=images.path.name)
            write_features(unfinished, images.count, executor.batches(chunks, batch))
            write_manifest(unfinished, made_by, facts)
    read_manifest(folder, "features")
    return Features(*(open_memmap(folder / f"{layer}.npy", mode="r") for layer in LAYERS))


def _score(
    samples: Features,
    points: Features | None,
    fake: Images,
    real: Reference,
    options: Options,
    moved: Mapping[str, float],
) -> dict[str, Any]:
    """Compute what `options` select from features of samples, and of the reference's images if it has some.

    What was `moved` is FID by other features.
    """
    stored = real.stored
    if points is not None and stored is None:
        stored = feature_statistics(points.pool), feature_statistics(points.spatial)
    assert stored is not None, "a reference has images, or statistics"
    wide = options.intervals or options.expect is not None
    inputs = MetricInputs(samples, *stored, points)
    names = [*options.metrics, *(name for name in METRICS if name not in PAPER_METRICS and points and options.further)]
    if wide:
        # Files may lie in the order of their classes; spatial features that have no interval stay on disk.
        order = np.random.default_rng(0).permutation(len(samples.pool))
        rows = order if samples.spatial.shape[1] <= MOST_SPATIAL_DIMENSIONS else slice(None)
        drawn = Features(samples.pool[order], samples.spatial[rows], samples.logits[order])
        metrics, spreads = with_intervals(inputs, names, MetricInputs(drawn, *stored, points))
    else:
        metrics, spreads = scores(inputs, names), {}
    results: dict[str, Any] = {"metrics": {name: metrics[name] for name in options.metrics if name in metrics}}
    if wide:
        ends = {name: metric_interval(name, each, len(samples.pool)) for name, each in spreads.items()}
        results["intervals"] = {name: [each.low, each.high] for name, each in ends.items() if name in PAPER_METRICS}
    if options.expect is not None:
        results["expected"] = _expectation(options.expect, inputs, spreads["fid"], real.stored is None, moved)
    if points is not None and options.further:
        others = ((name, value) for name, value in metrics.items() if name not in PAPER_METRICS)
        results["further"] = {name: value for name, value in others if value is not None}
    return {
        **results,
        "warnings": [
            *_warnings_of_features(samples, points, real, options),
            *_warnings_of_scores(results, names, fake, real, options),
        ],
    }


def _warnings_of_features(samples: Features, points: Features | None, real: Reference, options: Options) -> list[str]:
    """Return warnings about singular covariances: there are no more images than features."""
    fitted = {"samples": samples}
    if points is not None and real.stored is None:
        fitted["images of the reference"] = points
    return [
        f"{len(features)} {name} do not exceed the {features.shape[1]} {kind} features: their covariance is singular, "
        "and the Fréchet distance biased upwards"
        for name, of_images in fitted.items()
        for kind, features in (("pooled", of_images.pool), ("spatial", of_images.spatial))
        if len(features) <= features.shape[1] and (kind == "pooled" or "sfid" in options.metrics)
    ]


def _warnings_of_scores(
    results: dict[str, Any], names: Sequence[str], fake: Images, real: Reference, options: Options
) -> list[str]:
    """Return warnings about values that cannot be computed, and about differences between samples and reference."""
    warnings = []
    if real.images is None:
        if "precision" in options.metrics:
            warnings.append(f"{real.path.name} has no images: precision and recall cannot be computed")
    elif real.images.size != fake.size:
        sizes = [f"{width}x{height}" for height, width in (fake.size, real.images.size)]
        warnings.append(f"samples are {sizes[0]}, but the reference's images {sizes[1]}: sizes are compared, too")
    if real.dropped and real.images is not None:
        warnings.append(
            f"{real.path.name}: its statistics are of the evaluator's resizing, so this FID is against its "
            f"{real.images.count} images alone"
        )
    if options.intervals and "sfid" in results["metrics"] and "sfid" not in results["intervals"]:
        warnings.append(f"no interval of sFID: spatial features have more than {MOST_SPATIAL_DIMENSIONS} dimensions")
    if "further" in results:
        computed = results["metrics"] | results["further"]
        able = (name for name in names if "held_out" not in METRICS[name].needs)
        if lacking := [METRICS[name].label for name in able if name not in computed]:
            warnings.append(f"{fake.count} samples are too few for {', '.join(lacking)}")
    return warnings


def _expectation(
    expected: float, inputs: MetricInputs, spread: Jackknife, of_images: bool, changes: Mapping[str, float]
) -> dict[str, Any]:
    """Compare an FID with the one that was reported, of one draw of samples as this one: so both have an error.

    Returns:
        "fid" that is expected, "low" and "high" between which another draw of samples would lie with 95 %, whether
        these hold it, `within`, and "moves": rows of what, FID (None where it may go either way) and change. A half of
        the reference is among them if FID is `of_images`, not against its statistics, and so are other `changes`.
    """
    ends, error = t_interval(block_of([spread])), math.sqrt(spread.variance)
    half = math.sqrt(2) * (ends.high - ends.estimate)
    low, high = ends.estimate - half, ends.estimate + half
    rows, fixed = inputs.samples.pool, inputs.pool_statistics
    moved = {f"half as many samples, {len(rows) // 2}, on average": _fid_of_halves(rows, fixed)}
    if (extrapolated := fid_infinity(fixed, rows, SEED)) is not None:
        moved["infinitely many samples, extrapolated"] = extrapolated
    if inputs.real is not None and of_images:
        points = inputs.real.pool
        halved = _fid_of_halves(points, feature_statistics(rows))
        moved[f"half of the reference's images, {len(points) // 2}, on average"] = halved
    moved |= {what: ends.estimate + change for what, change in changes.items()}
    moved["the least of three draws of samples, on average"] = ends.estimate + LEAST_OF_THREE * error
    moves = [{"what": what, "fid": fid, "change": fid - ends.estimate} for what, fid in moved.items()]
    spreads = {"draw of samples, standard deviation": error}
    spreads["training, standard deviation as found for ImageNet"] = RETRAINING * error
    moves += [{"what": f"another {what}", "fid": None, "change": change} for what, change in spreads.items()]
    return {"fid": expected, "low": low, "high": high, "within": low <= expected <= high, "moves": moves}


def _fid_of_halves(points: NDArray[np.float32], fixed: FeatureStatistics) -> float:
    """Compute FID of HALVES random halves of features against statistics, on average."""
    halves = np.random.default_rng(0).permuted(np.tile(np.arange(len(points)), (HALVES, 1)), axis=1)
    fitted = (feature_statistics(points[half[: len(points) // 2]]) for half in halves)
    return float(np.mean([frechet_distance(fixed, each) for each in fitted]))
