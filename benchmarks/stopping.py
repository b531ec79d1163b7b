"""How often "when to stop" is right about copies: simulated checkpoints, of which it is known which ones copy.

Run as `python -m benchmarks.stopping`, some minutes of a core. Of four checkpoints the last two copy a share of their
samples. Features are normal in 16 dimensions, or scatter about such points, three real images about each on average, so
that images and samples often seem to be copies. A cell is how many of 100 trials name the right checkpoint: the third,
or none where nothing is copied.
"""

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adm.metrics.features import Features
from adm.metrics.memorising import copies
from adm.metrics.scores import MetricInputs
from adm.metrics.statistics import FeatureStatistics
from adm.report.run_tables import first_copying

DIMENSIONS, CHECKPOINTS, SINCE = 16, 4, 2
CLUSTER, WITHIN, OF_A_COPY = 3, 0.3, 0.02
"""Real images of a cluster; how far they scatter about its middle, and a copy about its image."""

SHARES = (0.0, 0.01, 0.1, 0.5)

Points = NDArray[np.float32]


class Sizes(NamedTuple):
    """Numbers of samples of a run, and of images that are trained on and held out."""

    samples: int
    training: int
    held_out: int


SIZES = (Sizes(100, 72, 18), Sizes(500, 400, 100), Sizes(1000, 1500, 380), Sizes(2000, 1500, 380))


def points(count: int, middles: Points | None, rng: np.random.Generator) -> Points:
    """Draw independent points, (count, DIMENSIONS): normal, or about middles of clusters."""
    drawn = rng.standard_normal((count, DIMENSIONS), np.float32)
    return drawn if middles is None else middles[rng.integers(len(middles), size=count)] + WITHIN * drawn


def is_right(sizes: Sizes, share: float, clustered: bool, rng: np.random.Generator) -> bool:
    """Simulate a training, and tell whether the first checkpoint that copies is named, or none if none does."""
    middles = points((sizes.training + sizes.held_out) // CLUSTER, None, rng) if clustered else None
    training, held_out = (points(count, middles, rng) for count in (sizes.training, sizes.held_out))
    nowhere = FeatureStatistics(np.zeros(DIMENSIONS), np.eye(DIMENSIONS))
    found = []
    for number in range(CHECKPOINTS):
        drawn = points(sizes.samples, middles, rng)
        copied = rng.random(len(drawn)) < (share if number >= SINCE else 0)
        drawn[copied] = training[rng.integers(len(training), size=copied.sum())]
        drawn[copied] += OF_A_COPY * rng.standard_normal(drawn[copied].shape, np.float32)
        samples, real = (Features(rows, rows, rows) for rows in (drawn, training))
        found.append(copies(MetricInputs(samples, nowhere, None, real, held_out)))
    return first_copying(*np.array(found).T) == (SINCE if share else CHECKPOINTS)


def main() -> None:
    """Print a row for each size: of normal features, then of clusters."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopping", description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    trials = parser.parse_args().trials
    print("| samples of a run, images trained on, held out | no copies, none found | 1 % copies | 10 % | 50 % |")
    print("|---|---|---|---|---|")
    for sizes in SIZES:
        rng = np.random.default_rng(0)
        counts = [
            [sum(is_right(sizes, share, clustered, rng) for _ in range(trials)) for clustered in (False, True)]
            for share in SHARES
        ]
        print(
            f"| {', '.join(map(str, sizes))} | {' | '.join('; '.join(map(str, cell)) for cell in counts)} |", flush=True
        )


if __name__ == "__main__":
    main()
