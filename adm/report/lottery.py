"""The lottery of training: how far a metric moves if a model is trained again, and which of its seeds moves it.

Of n seeds each of initial weights, data and noise, a Latin square trains n^2 models: any two seeds of two kinds meet in
one model. Each model is sampled m times with seeds of its own. A metric of draw r of a model is

    x = mean + W_w + D_d + N_n + R_wdn + E_wdnr,

where W, D and N are what a seed of weights, data and noise does alone, R is what the three do together, and E is the
draw of samples: independent, normal, of mean 0. Five mean squares estimate the five variances.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

from adm.config.metrics import METRICS
from adm.metrics.intervals import TAIL, Interval
from adm.params.checks import levels_of
from adm.params.schema import Sections
from adm.report.metrics import Inputs, read_metrics
from adm.report.tables import significant

KINDS = ("weights", "data", "noise", "rest")
"""Sources of the variance between trained models: three seeds, and what is of no seed alone."""

ROWS = {
    "weights": "Initial weights",
    "data": "Order of the data",
    "noise": "Noise of the loss",
    "rest": "What the three do together",
    "retraining": "Retraining: all of these",
    "resampling": "Drawing {count} samples again",
    "ratio": "Ratio of retraining to drawing again",
    "difference": "Two trainings differ by less in {coverage:g} %",
}
"""Labels of the table's rows."""

Coefficients = NDArray[np.float64]
"""(5,) of a linear combination of mean squares, those of KINDS and that of the draws."""


@dataclass(frozen=True)
class Lottery:
    """A metric of models trained from a Latin square of seeds, and its analysis of variance.

    Attributes:
        levels: Of each of the n^2 models its seeds of weights, data and noise; n of at least 3.
        values: (n^2, m) the metric of each model's draws of samples, m of at least 2.
        num_samples: Samples of a draw.

    Source: Fisher (1935), The Design of Experiments, chapter 5.
    """

    levels: Sequence[tuple[int, int, int]]
    values: NDArray[np.float64]
    num_samples: int

    @property
    def seeds(self) -> int:
        """The number n of seeds of each kind."""
        return math.isqrt(len(self.values))

    @property
    def freedom(self) -> NDArray[np.float64]:
        """(5,) degrees of freedom of `squares`."""
        (models, draws), n = self.values.shape, self.seeds
        return np.array([n - 1.0] * 3 + [(n - 1) * (n - 2), models * (draws - 1)])

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """(5,) mean squares: of weights, data, noise, the rest, and the draws of samples."""
        n, m = self.seeds, self.values.shape[1]
        of_models, mean = self.values.mean(axis=1), self.values.mean()
        sums = []
        for kind in np.array(self.levels).T:
            means = np.array([of_models[kind == seed].mean() for seed in np.unique(kind)])
            sums.append(n * m * ((means - mean) ** 2).sum())
        rest = m * ((of_models - mean) ** 2).sum() - sum(sums)
        within = ((self.values - of_models[:, None]) ** 2).sum()
        return np.array([*sums, max(rest, 0.0), within]) / self.freedom

    @property
    def components(self) -> dict[str, Interval]:
        """The standard deviations that the metric has, with 95 % intervals.

        They are of each of KINDS, of "retraining", all four together, and of "resampling", draws of samples of one
        model.
        """
        parts = dict(zip(KINDS, self._variances, strict=True))
        parts |= {"retraining": self._retraining, "resampling": np.eye(5)[4]}
        return {name: _root(self._interval(c)) for name, c in parts.items()}

    @property
    def ratio(self) -> Interval:
        """The standard deviation of retraining over that of resampling, with its 95 % interval.

        A ratio r of the variances is in the interval if that of "variance of retraining - r times variance of
        resampling" holds 0.
        """
        between, within = self._retraining, np.eye(5)[4]
        if not self.squares[4]:
            return Interval(math.inf, math.inf, math.inf)
        estimate = float(between @ self.squares) / float(within @ self.squares)
        most = 1.0 + 2 * abs(estimate)
        while self._interval(between - most * within).high > 0:
            most *= 2

        def end(name: str) -> float:
            def at(ratio: float) -> float:
                return float(getattr(self._interval(between - ratio * within), name))

            return float(optimize.brentq(at, 0, most, xtol=1e-9)) if at(0) > 0 else 0.0

        return _root(Interval(estimate, end("low"), end("high")))

    def difference(self, coverage: float) -> float:
        """Find the size that the difference between two trainings stays below with this probability.

        They differ in all three seeds and in the draw of samples, of which each has one; the mean difference is 0. Its
        variance is a sum of mean squares with coefficients above 0, so its degrees of freedom are Satterthwaite's.

        Source: Satterthwaite (1946).
        """
        c = 2 * (self._retraining + np.eye(5)[4])
        terms = c * self.squares
        spread = (terms**2 / self.freedom).sum()
        freedom = float(terms.sum() ** 2 / spread) if spread else math.inf
        return float(stats.t.ppf((1 + coverage) / 2, freedom)) * math.sqrt(terms.sum())

    @property
    def _variances(self) -> list[Coefficients]:
        """For each of KINDS, the combination of mean squares whose mean is its variance."""
        *seeds, rest, draw = np.eye(5)
        n, m = self.seeds, self.values.shape[1]
        return [*((one - rest) / (n * m) for one in seeds), (rest - draw) / m]

    @property
    def _retraining(self) -> Coefficients:
        total: Coefficients = np.sum(self._variances, axis=0)
        return total

    def _interval(self, c: Coefficients) -> Interval:
        """Return the 95 % interval of a variance that is a combination of mean squares: the modified large-sample one.

        Source: Graybill & Wang (1980), for sums; Ting et al. (1990), for differences.
        """
        arm = (_arm(sign * c * self.squares, self.freedom) for sign in (1, -1))
        value = float(c @ self.squares)
        return Interval(value, value - next(arm), value + next(arm))


def _arm(terms: NDArray[np.float64], freedom: NDArray[np.float64]) -> float:
    """Tell how far a sum of multiples of mean squares may lie above its mean: one-sided, 97.5 %."""

    def from_mean(tail: float, df: float) -> float:
        """Find what a mean square over its mean exceeds with the probability `tail`."""
        return float(special.chdtri(df, tail)) / df

    up = [(t, df) for t, df in zip(terms, freedom, strict=True) if t > 0]
    down = [(-t, df) for t, df in zip(terms, freedom, strict=True) if t < 0]
    own = {df: 1 - 1 / from_mean(TAIL, df) for _, df in up}
    other = {df: 1 / from_mean(1 - TAIL, df) - 1 for _, df in down}
    square = sum((own[df] * t) ** 2 for t, df in up) + sum((other[df] * t) ** 2 for t, df in down)
    for t, df in up:
        for s, ds in down:
            f = float(special.fdtri(df, ds, 1 - TAIL))
            square += ((f - 1) ** 2 - (own[df] * f) ** 2 - other[ds] ** 2) / f * t * s
    for (t, df), (s, ds) in combinations(up, 2):
        both = (1 - 1 / from_mean(TAIL, df + ds)) ** 2 * (df + ds) ** 2 / (df * ds)
        square += (both - own[df] ** 2 * df / ds - own[ds] ** 2 * ds / df) / (len(up) - 1) * t * s
    return math.sqrt(max(square, 0.0))


def _root(variance: Interval) -> Interval:
    """Turn a variance into a standard deviation; a negative estimate is 0."""
    return Interval(*(math.sqrt(max(end, 0.0)) for end in variance))


def read_lottery(params: Sections, groups: Sequence[str], metric: str, inputs: Inputs) -> Lottery:
    """Read a metric, a key of METRICS, of the runs of a lottery, whose groups are a draw of samples each.

    Raises:
        UserError: A file is missing, or holds no such metric.
        ValueError: A run has too few samples for the metric.
    """
    runs = [params.members(group) for group in groups]
    values = np.stack([read_metrics(params, members, [metric], inputs)[metric] for members in runs], axis=1)
    if np.isnan(values).any():
        raise ValueError(f"runs of {groups[0]!r} have too few samples for {metric!r}")
    return Lottery(levels_of(params, params.members(groups[0])), values, params.section_of(groups[0]).num_samples)


def lottery_table(params: Sections, groups: Sequence[str], metric: str, inputs: Inputs) -> pd.DataFrame:
    """Tabulate a lottery: standard deviations with intervals, their ratio, and what two trainings differ by.

    It takes and raises the same as `read_lottery`.
    """
    lottery = read_lottery(params, groups, metric, inputs)
    parts = lottery.components
    whole = sum(part.estimate**2 for name, part in parts.items() if name != "retraining")
    rows = []
    for name, part in parts.items():
        share = "" if name == "retraining" or not whole else f"{100 * part.estimate**2 / whole:.0f} %"
        rows.append((ROWS[name].format(count=lottery.num_samples), *(significant(end, 3) for end in part), share))
    rows.append((ROWS["ratio"], *(significant(end, 3) for end in lottery.ratio), ""))
    for coverage in (0.95, 0.99):
        largest = lottery.difference(coverage)
        rows.append((ROWS["difference"].format(coverage=100 * coverage), significant(largest, 3), "", "", ""))
    heading = f"{METRICS[metric].label}, standard deviation"
    return pd.DataFrame(rows, columns=["Source of spread", heading, "95 % from", "to", "Share of the variance"])
