"""How true intervals are: the spread they tell and how often they hold the truth, by simulation.

`python -m benchmarks.intervals` writes `docs/intervals.csv`, a row a metric, comparison and number of samples. Features
of samples are simulated: latent normal numbers and a class go through a network of one layer, so features are
mixtures of ten classes, not normal, correlated and often zero. Samples are drawn again, and held-out images where a
metric has them; the reference stays.

Three models are sampled. The first is the reference's own distribution, so its FID is at the floor that the number of
samples sets. The second has other weights, so that the same latents give samples that differ a little; the third is as
far from the first as another draw of weights. A run's interval is `adm.metrics.scores.with_intervals`, what a claim
compares is `adm.metrics.intervals`, as in the pipeline.
"""

import argparse
import csv
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from adm.config.metrics import METRICS
from adm.determinism import make_deterministic
from adm.metrics.features import Features
from adm.metrics.intervals import TAIL, Block, freedom_of
from adm.metrics.jackknife import Jackknife
from adm.metrics.scores import MetricInputs, scores, with_intervals
from adm.metrics.statistics import feature_statistics
from adm.progress import progress

OUT = Path(__file__).parents[1] / "docs" / "intervals.csv"

ALL = tuple(name for name, metric in METRICS.items() if metric.intervals)
LARGE = ("fid", "inception_score")
"""Metrics of the largest runs; the others take minutes each."""

COVERAGE = ("coverage",)
"""What more samples than points of the reference bring to 1, without a spread; so it has as many points as samples."""

OTHERS = tuple(name for name in ALL if name not in COVERAGE)

CLASSES = 10
FITTED = 20_000
"""Number of the reference's images that Gaussians are fitted to."""

POPULATION = 100_000
"""Latents that are sampled, with replacement."""

SCALE = 3.0
"""By this features are divided, so that products of two are about their number, as an extractor's are."""

SEEDS, TRAINED = 3, 40
"""Seeds of training in a group, and trained copies of each model that groups are drawn from."""

RETRAINED = 0.06
"""How much another training changes a model, in units of its weights."""

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Model:
    """A generator followed by an extractor, from latents (N, L) and classes (N,) to features."""

    weights: Array
    centres: Array
    spatial: Array
    logits: Array

    def features(self, latents: Array, classes: NDArray[np.int64]) -> Features:
        """Features (N, D), (N, D / 2) and (N, 10)."""
        pool = np.maximum((latents @ self.weights + self.centres[classes]) / SCALE, 0.0).astype(np.float32)
        return Features(pool, pool @ self.spatial, pool @ self.logits)

    def changed(self, by: float, seed: int) -> "Model":
        """The same model with other weights and centres: they move at random by `by` of their size."""
        rng = np.random.default_rng([3, seed])
        weights, centres = (
            array + by * array.std(axis=0) * rng.standard_normal(array.shape, np.float32)
            for array in (self.weights, self.centres)
        )
        return Model(weights, centres, self.spatial, self.logits)


def model(dimensions: int) -> Model:
    """The model of the reference's distribution; the spectrum of its features falls as a power."""
    rng = np.random.default_rng(1)
    spectrum = np.arange(1, dimensions + 1) ** -0.375
    mixed = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0]
    weights = rng.standard_normal((dimensions, dimensions)) * 3 / np.sqrt(dimensions) * spectrum @ mixed
    centres = 2 * rng.standard_normal((CLASSES, dimensions)) * spectrum @ mixed
    spatial = rng.standard_normal((dimensions, dimensions // 2)) / np.sqrt(dimensions)
    logits = (centres - centres.mean(axis=0)).T / 3
    return Model(*(array.astype(np.float32) for array in (weights, centres, spatial, logits)))


class Plan(NamedTuple):
    """Runs of a size: how many samples, dimensions and simulations, which metrics, and the reference's points."""

    samples: int
    dimensions: int
    simulations: int
    metrics: tuple[str, ...]
    real: int = 256


PLANS = (
    Plan(320, 16, 1000, ALL),
    Plan(1000, 16, 1000, OTHERS),
    Plan(1000, 16, 1000, COVERAGE, 1000),
    Plan(2000, 16, 1000, OTHERS),
    Plan(2000, 16, 1000, COVERAGE, 2000),
    Plan(50_000, 64, 1000, LARGE),
)
SMALLEST = (Plan(40, 4, 20, ALL), Plan(60, 4, 10, LARGE))


class Row(NamedTuple):
    """A row of the table: means over simulations.

    Attributes:
        metric: A key of METRICS.
        comparison: What is compared.
        samples: Samples of a run.
        simulations: How often it was simulated.
        value: The mean of the metric, or of the difference.
        true: Its standard deviation over simulations.
        told: The root mean square of the standard deviation that each simulation tells.
        coverage: The share of 95 % intervals that hold the mean.
    """

    metric: str
    comparison: str
    samples: int
    simulations: int
    value: float
    true: float
    told: float
    coverage: float


ONE, ABOVE, FAR = "one run, at the floor", "one run, above it", "one run, far above it"
SAME, OTHER, MODELS, GROUPS = "same seeds", "other seeds", "other models", f"groups of {SEEDS} seeds of training"


def simulate(plan: Plan) -> Iterator[Row]:
    """Simulate runs of a size, and yield the rows of all comparisons."""
    first = model(plan.dimensions)
    models = first, first.changed(0.25, 0), first.changed(1.0, 1)
    rng = np.random.default_rng([2, plan.samples])
    reference = first.features(*_latents(FITTED, plan.dimensions, rng))
    statistics = feature_statistics(reference.pool), feature_statistics(reference.spatial)
    real = Features(*(each[: plan.real] for each in vars(reference).values()))

    def inputs(samples: Features) -> MetricInputs:
        return MetricInputs(samples, *statistics, real)

    latents = _latents(POPULATION, plan.dimensions, rng)
    populations = [inputs(each.features(*latents)) for each in models]
    runs: list[list[dict[str, Jackknife]]] = []
    unseen = np.random.default_rng([5, plan.samples])
    for _ in progress(range(plan.simulations), plan.simulations, "simulation", name=f"{plan.samples} samples"):
        rows = rng.integers(POPULATION, size=plan.samples)
        held_out = first.features(*_latents(plan.real, plan.dimensions, unseen)).pool
        drawn = [replace(each.kept(rows), held_out=held_out) for each in populations]
        runs.append([with_intervals(each, plan.metrics)[1] for each in drawn])
    trained: list[list[dict[str, float | None]]] = []
    for number in range(min(TRAINED, plan.simulations)):
        copies = [each.changed(RETRAINED, 10 + 2 * number + i) for i, each in enumerate(models[:2])]
        images = [inputs(copy.features(*_latents(plan.samples, plan.dimensions, rng))) for copy in copies]
        trained.append([scores(replace(each, held_out=held_out), plan.metrics) for each in images])
    for name in plan.metrics:
        if name not in runs[0][0]:
            continue
        columns = [[run[name] for run in each] for each in runs]
        for comparison, blocks in {**_of_runs(columns), GROUPS: _of_groups(trained, name, plan.simulations)}.items():
            yield _row(name, comparison, plan, list(blocks))


def _latents(count: int, dimensions: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    return rng.standard_normal((count, dimensions), np.float32), rng.integers(CLASSES, size=count)


def _of_runs(runs: list[list[Jackknife]]) -> dict[str, Iterable[tuple[Block, ...]]]:
    """By comparison the blocks of each simulation; runs of other seeds are those of the simulation before."""

    def block(*columns: Jackknife) -> Block:
        values, pairs = (np.stack([getattr(run, name) for run in columns], axis=1) for name in ("values", "pairs"))
        return Block(values, pairs)

    others = runs[-1:] + runs[:-1]
    return {
        ONE: [(block(own[0]),) for own in runs],
        ABOVE: [(block(own[1]),) for own in runs],
        FAR: [(block(own[2]),) for own in runs],
        SAME: [(block(own[0], own[1]),) for own in runs],
        OTHER: [(block(own[0]), block(other[0])) for own, other in zip(runs, others, strict=True)],
        MODELS: [(block(own[0]), block(other[1])) for own, other in zip(runs, others, strict=True)],
    }


def _of_groups(trained: list[list[dict[str, float | None]]], name: str, count: int) -> Iterator[tuple[Block, ...]]:
    """Pairs of groups of two models, of the trained copies drawn with replacement."""
    values = np.array([[copy[name] for copy in copies] for copies in trained], np.float64)
    rng = np.random.default_rng(4)
    for _ in range(count):
        yield tuple(Block(values[rng.integers(len(values), size=SEEDS), i, None]) for i in range(2))


def _row(name: str, comparison: str, plan: Plan, simulated: list[tuple[Block, ...]]) -> Row:
    """The row of a metric and a comparison: of the mean of one quantity, or of the difference of two."""
    estimates, deviations, arms = [], [], []
    for blocks in simulated:
        means = np.concatenate([block.mean for block in blocks])
        contrast = np.array([1.0, -1.0])[: len(means)]
        columns = np.split(contrast, np.cumsum([len(block.mean) for block in blocks])[:-1])
        variance = sum(block.variance(own) for block, own in zip(blocks, columns, strict=True))
        estimates.append(contrast @ means)
        deviations.append(np.sqrt(variance))
        arms.append(stats.t.ppf(1 - TAIL, freedom_of(blocks)) * deviations[-1])
    truth = np.mean(estimates)
    return Row(
        name,
        comparison,
        plan.samples,
        len(estimates),
        float(truth),
        float(np.std(estimates, ddof=1)),
        float(np.sqrt(np.mean(np.square(deviations)))),
        float(np.mean(np.abs(estimates - truth) <= arms)),
    )


def main() -> None:
    """Run `python -m benchmarks.intervals [--smallest] [--out FILE]`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intervals", description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="in seconds, to see that it runs")
    parser.add_argument("--out", type=Path, default=OUT, help="the csv that is written")
    options = parser.parse_args()
    make_deterministic(1)
    rows: list[Row] = []
    for plan in SMALLEST if options.smallest else PLANS:
        start = time.perf_counter()
        rows += simulate(plan)
        print(f"{plan.samples} samples: {time.perf_counter() - start:.0f} s", flush=True)
        with options.out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Row._fields)
            writer.writerows([f"{x:.4g}" if isinstance(x, float) else x for x in row] for row in rows)


if __name__ == "__main__":
    main()
