"""Verdicts on the paper's claims, each from a measured value and its 95 % interval.

Metrics of runs have intervals that cover the draw of the samples; those of metrics of groups of runs cover the seeds of
training, too. An undecided claim says how much more data would decide it (`adm.report.verdicts`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from scipy import stats

from adm.config.metrics import METRICS
from adm.metrics.intervals import (
    TAIL,
    Block,
    Draws,
    Interval,
    band,
    draws_of,
    freedom_of,
    interval,
    interval_of_greatest,
    interval_of_least,
    median_draws,
)
from adm.params import claims as params
from adm.params.references import keys_read
from adm.params.section import judged
from adm.report.evidence import Evidence, metric_blocks, metric_draws
from adm.report.verdicts import Data, Finding, Unit, Verdict, clearance, needed, risk


def judge(key: str, claim: params.Claim, evidence: Evidence) -> Verdict:
    """Test a claim.

    Raises:
        ValueError: The evidence cannot be compared; the message names the claim and what was found.
    """
    kind: str = claim.kind  # type: ignore[attr-defined]
    try:
        finding = JUDGES[kind](claim, evidence)
    except ValueError as error:
        raise ValueError(f"claims.{key}: {error}") from error
    data, is_decided = _data(claim, evidence), finding.verdict in ("holds", "does not hold")
    # Neither ranks nor what held-out images add to an interval shrinks as the root of the number of samples.
    is_told = kind != "ranks_alike" and "held_out" not in METRICS[getattr(claim, "metric", "fid")].needs
    if data and data.unit == "seeds a model" and finding.verdict == "undecided":
        data = replace(data, share=_share_of_samples(finding, data, claim, replace(evidence, same_models=True)))
    return Verdict(
        key=key,
        statement=claim.statement,
        source=claim.source,
        seeds=data.count if data and data.unit == "seeds a model" else None,
        samples=data.images if data and data.images else None,
        needs=needed(finding.clearance, data) if data and is_told and finding.verdict == "undecided" else "",
        risk=risk(finding.clearance, data.freedom if data else np.inf) if is_decided else None,
        **vars(finding),
    )


def _data(claim: params.Claim, evidence: Evidence) -> Data | None:
    """Count what the claim's interval is of; None if nothing is drawn."""
    if runs := keys_read(claim, "metrics"):
        blocks = metric_blocks(claim.metric, runs, evidence)  # type: ignore[attr-defined]
        freedom = freedom_of([*blocks.values()])
        groups = {run: evidence.groups.get(run, [run]) for run in runs}
        images = min(evidence.scores[run].num_samples for each in groups.values() for run in each)
        if any(run in evidence.groups for run in runs):
            return Data("seeds a model", min(map(len, groups.values())), freedom, images)
        return Data("images a run", images, freedom, images)
    studies = keys_read(claim, "studies")
    counts: dict[Unit, list[int]] = {
        "images": [len(evidence.errors[key]) for key in studies if key in evidence.errors],
        "samples a run": [len(evidence.neighbours[key].distances) for key in studies if key in evidence.neighbours],
        "repetitions": [len(rates) for key in keys_read(claim, "throughput") for rates in evidence.throughputs[key]],
    }
    for unit, numbers in counts.items():
        if numbers:
            return Data(unit, min(numbers), np.inf if unit == "samples a run" else min(numbers) - 1)
    return None


def _share_of_samples(finding: Finding, data: Data, claim: params.Claim, same_models: Evidence) -> float:
    """Estimate the share of an interval's variance over seeds that would be left of the same models, drawn again."""
    metric = claim.metric  # type: ignore[attr-defined]
    runs = (run for key in keys_read(claim, "metrics") for run in same_models.groups.get(key, [key]))
    if not all(metric in same_models.scores[run].jackknife for run in runs):
        return 0.0
    alone = JUDGES[claim.kind](claim, same_models)  # type: ignore[attr-defined]
    freedom = _data(claim, same_models).freedom  # type: ignore[union-attr]
    if alone.measure != finding.measure or not alone.clearance:  # one of them found no gap to bridge
        return 0.0
    arms = finding.clearance * stats.t.ppf(TAIL, data.freedom) / (alone.clearance * stats.t.ppf(TAIL, freedom))
    return float(min(1.0, arms**2))


def _decide(
    value: Interval, side: Literal["above", "below"], threshold: float, effect: str, measure: str, note: str = ""
) -> Finding:
    """Decide from an interval: true or false if it lies wholly on one side of the threshold, else undecided."""
    above, below = value.low > threshold, value.high < threshold
    holds, fails = (above, below) if side == "above" else (below, above)
    return Finding(
        verdict="holds" if holds else "does not hold" if fails else "undecided",
        effect=effect,
        **value._asdict(),
        measure=f"{measure}, claimed {side} {threshold:g}",
        note=note,
        clearance=clearance(value, threshold),
    )


def _way_up(metric: str) -> int:
    return -1 if METRICS[metric].better == "lower" else 1


def _listed(draws: Mapping[str, Draws], runs: Sequence[str]) -> str:
    # Of a zero, sums leave some 1e-20.
    return ", ".join(f"{value if abs(value := draws[run][0]) > 1e-12 else 0:.4g}" for run in runs)


def _comparison(claim: params.ComparisonClaim | params.CheaperClaim, evidence: Evidence) -> Finding:
    draws, name = metric_draws(claim.metric, keys_read(claim, "metrics"), evidence), METRICS[claim.metric].label
    difference = interval(draws[claim.run] - draws[claim.than])
    effect = f"{name} {draws[claim.run][0]:.4g} against {draws[claim.than][0]:.4g}: {difference.estimate:+.3g}"
    if claim.kind == "higher":
        return _decide(difference, "above", claim.by, effect, f"difference in {name}")
    return _decide(difference, "below", 0.0 - claim.by, effect, f"difference in {name}")


def _cheaper(claim: params.CheaperClaim, evidence: Evidence) -> Finding:
    spent, most = evidence.spent[claim.run], evidence.spent[claim.than]
    note = f"trained with {spent:.3g} FLOPs against {most:.3g}"
    if spent > most:
        return Finding(verdict="not tested", note=note)
    return replace(_comparison(claim, evidence), note=note)


def _trend(claim: params.TrendClaim, evidence: Evidence) -> Finding:
    draws, name = metric_draws(claim.metric, claim.runs, evidence), METRICS[claim.metric].label
    sign, way = (1, "rise") if claim.kind == "rises" else (-1, "fall")
    steps = sign * np.diff(np.stack([draws[run] for run in claim.runs], axis=1), axis=1)
    effect = f"{name} {_listed(draws, claim.runs)}"
    note = "steps " + ", ".join(f"{sign * step:+.3g}" for step in steps[0])
    return _decide(interval_of_least(steps), "above", 0.0, effect, f"least {way} in {name} of a step", note)


def _bridges(claim: params.BridgesClaim, evidence: Evidence) -> Finding:
    draws, name = metric_draws(claim.metric, keys_read(claim, "metrics"), evidence), METRICS[claim.metric].label
    up = _way_up(claim.metric)
    gap = up * (draws[claim.to_run] - draws[claim.from_run])
    bridged = up * (draws[claim.run] - draws[claim.from_run])
    effect = f"{name} from {_listed(draws, [claim.from_run, claim.run])} towards {draws[claim.to_run][0]:.4g}"
    whole = interval(gap)
    if whole.low <= 0:
        finding = _decide(whole, "above", 0.0, effect, f"gap in {name}", "no gap clear of zero is there to bridge")
        return replace(finding, verdict="undecided")
    # Draws without a gap get a tiny one: their ratios then lie far out on the correct side.
    share = interval(bridged / np.maximum(gap, 1e-3 * gap[0]))
    return _decide(share, "above", claim.share, f"{effect}: {share.estimate:.3g} of the gap", "share of the gap")


def _similar(claim: params.SimilarClaim, evidence: Evidence) -> Finding:
    draws, name = metric_draws(claim.metric, keys_read(claim, "metrics"), evidence), METRICS[claim.metric].label
    pairs = zip(claim.runs_a, claim.runs_b, strict=True)
    apart = np.stack([draws[a] - draws[b] for a, b in pairs], axis=1)
    sizes = np.abs(apart)
    # Noise makes sizes larger, so the sizes of draws are no lower bound on the true ones.
    low, high = band(apart)
    least = np.maximum(0, np.maximum(low, -high)).mean()
    size = Interval(float(sizes[0].mean()), float(least), float(np.quantile(sizes[1:].mean(axis=1), 1 - TAIL)))
    effect = f"{name} {_listed(draws, claim.runs_a)} against {_listed(draws, claim.runs_b)}: {size.estimate:.3g} apart"
    return _decide(size, "below", claim.within, effect, f"mean size of the difference in {name}")


def _not_better(claim: params.NotBetterClaim, evidence: Evidence) -> Finding:
    draws, name = metric_draws(claim.metric, keys_read(claim, "metrics"), evidence), METRICS[claim.metric].label
    up = _way_up(claim.metric)
    best = interval_of_greatest(np.stack([up * (draws[run] - draws[claim.base]) for run in claim.runs], axis=1))
    effect = (
        f"{name} {_listed(draws, claim.runs)} against {draws[claim.base][0]:.4g}: best improvement {best.estimate:+.3g}"
    )
    return _decide(best, "below", claim.by, effect, f"best improvement in {name}")


def _beats_early(claim: params.BeatsEarlyClaim, evidence: Evidence) -> Finding:
    draws, name = metric_draws(claim.metric, keys_read(claim, "metrics"), evidence), METRICS[claim.metric].label
    at = [evidence.iterations.get(run, 0) for run in claim.runs]
    if at[0] <= 0 or any(earlier >= later for earlier, later in pairwise(at)):
        raise ValueError(f"runs {', '.join(claim.runs)} have iterations {', '.join(map(str, at))}, which must rise")
    early = sum(iteration <= claim.by_share * at[-1] for iteration in at)
    if not early:
        raise ValueError(
            f"no run is of the first {claim.by_share:g} of the {at[-1]} iterations; the first is of {at[0]}"
        )
    up = _way_up(claim.metric)
    improvements = np.stack([up * (draws[run] - draws[claim.than]) for run in claim.runs[:early]], axis=1)
    best = interval_of_greatest(improvements)
    clear = [iteration for iteration, low in zip(at, band(improvements)[0], strict=False) if low > 0]
    note = f"clearly better at iteration {clear[0]} of {at[-1]}" if clear else "none of them clearly better"
    effect = f"{name} {_listed(draws, claim.runs[:early])} against {draws[claim.than][0]:.4g}"
    return _decide(best, "above", 0.0, effect, f"best improvement in {name} by iteration {at[early - 1]}", note)


def _ranks_alike(claim: params.RanksAlikeClaim, evidence: Evidence) -> Finding:
    name = METRICS[claim.metric].label
    # Both extractors see the same samples, so what they say is paired.
    opinions = [judged(run, claim.judge) for run in claim.runs]
    draws = metric_draws(claim.metric, [*claim.runs, *opinions], evidence)
    by_own, by_judge = (np.stack([draws[key] for key in keys], axis=1) for keys in (claim.runs, opinions))
    first, second = np.triu_indices(len(claim.runs), 1)
    apart = np.hstack([ranked[:, first] - ranked[:, second] for ranked in (by_own, by_judge)])
    # Tau of draws is biased to 0, by noise on noise. Signs that are clear, all at once, leave a least and a greatest;
    # they err as often whatever tau is claimed, so the clearance is always 1.
    clear = np.logical_or(*np.split(band(np.hstack([apart, -apart]))[0] > 0, 2))
    alike, known = (np.prod(np.split(each, 2), axis=0) for each in (np.sign(apart[0]), clear))
    tau = Interval(*(float(np.where(known, alike, unknown).mean()) for unknown in (alike, -1, 1)))
    told = (", ".join(f"{value:.4g}" for value in draws[0]) for draws in (by_own, by_judge))
    effect = f"{name} {' against '.join(told)} by {claim.judge}: tau {tau.estimate:.3g}"
    return replace(_decide(tau, "above", claim.tau, effect, f"Kendall's tau of the ranks in {name}"), clearance=1.0)


def _reconstruction(claim: params.ReconstructionClaim, evidence: Evidence) -> Finding:
    errors = evidence.errors[claim.interpolation]
    but_last, every = draws_of([Block(errors)])[0].T
    saved = interval(every - but_last if claim.better == "all_but_last" else but_last - every)
    effect = f"error {but_last[0]:.3g} from all steps but the last against {every[0]:.3g} from all"
    return _decide(saved, "above", 0.0, effect, "mean error saved", f"{len(errors)} images, paired")


def _reconstruction_order(claim: params.ReconstructionOrderClaim, evidence: Evidence) -> Finding:
    errors = np.stack([evidence.errors[key][:, 0] for key in claim.interpolations], axis=1)
    (means,) = draws_of([Block(errors)])
    effect = f"error {means[0, 0]:.3g} against {', '.join(f'{mean:.3g}' for mean in means[0, 1:])}"
    saved = interval_of_least(means[:, 1:] - means[:, :1])
    return _decide(saved, "above", 0.0, effect, "least mean error saved", f"{len(errors)} images, paired")


def _no_copies(claim: params.NoCopiesClaim, evidence: Evidence) -> Finding:
    rng, studies = np.random.default_rng(0), [evidence.neighbours[key] for key in claim.neighbours]
    to_samples, of_dataset = (
        np.stack([median_draws(values, rng) for values in distances], axis=1)
        for distances in ([one.distances.min(axis=1) for one in studies], [one.dataset_distances for one in studies])
    )
    if of_dataset.min() <= 0:
        raise ValueError("the median distance between the dataset's images is 0; half of them have a twin")
    ratios = to_samples / of_dataset
    tests = [stats.binomtest(int(one.pixel_copies.sum()), len(one.pixel_copies)) for one in studies]
    copies = Interval(
        max(test.statistic for test in tests),
        # As in `band`: any of the studies could have too many copies by chance.
        max(test.proportion_ci(1 - 2 * TAIL / len(tests)).low for test in tests),
        max(test.proportion_ci(1 - 2 * TAIL).high for test in tests),
    )
    effect = (
        f"median distance to the nearest image {', '.join(f'{ratio:.3g}' for ratio in ratios[0])} of the dataset's; "
        f"copies {', '.join(f'{one.pixel_copies.sum()} of {len(one.pixel_copies)}' for one in studies)}"
    )
    parts = [
        _decide(interval_of_least(ratios), "above", claim.ratio, effect, "least ratio of median distances"),
        _decide(copies, "below", claim.copies, effect, "greatest share of copies"),
    ]
    severity = ["does not hold", "undecided", "holds"]
    worst, other = sorted(parts, key=lambda part: severity.index(part.verdict))
    nearest = min(part.clearance for part in parts if part.verdict == worst.verdict)
    return replace(worst, note=f"{other.measure}: {other.low:.3g} to {other.high:.3g}", clearance=nearest)


def _lighter(claim: params.LighterClaim, evidence: Evidence) -> Finding:
    cost, than = evidence.costs[claim.model], evidence.costs[claim.than]
    ratio = Interval(than / cost, than / cost, than / cost)
    effect = f"{cost:.3g} FLOPs against {than:.3g}"
    note = "computed, not measured: the interval is a point"
    return _decide(ratio, "above", claim.by, effect, "ratio of FLOPs", note)


def _faster(claim: params.FasterClaim, evidence: Evidence) -> Finding:
    naive, optimised = (np.asarray(rates, np.float64) for rates in evidence.throughputs[claim.throughput])
    # Logarithms, because draws of their differences still give positive ratios.
    of_naive, of_optimised = draws_of([Block(np.log(rates)[:, None]) for rates in (naive, optimised)])
    ratio = Interval(*np.exp(interval((of_optimised - of_naive)[:, 0])).tolist())
    effect = f"{optimised.mean():.3g} images a second against {naive.mean():.3g}: {ratio.estimate:.3g} times"
    return _decide(ratio, "above", claim.by, effect, "ratio of images a second")


JUDGES: dict[str, Callable[[Any, Evidence], Finding]] = {
    "lower": _comparison,
    "higher": _comparison,
    "cheaper": _cheaper,
    "falls": _trend,
    "rises": _trend,
    "bridges": _bridges,
    "similar": _similar,
    "not_better": _not_better,
    "beats_early": _beats_early,
    "ranks_alike": _ranks_alike,
    "reconstruction": _reconstruction,
    "reconstruction_order": _reconstruction_order,
    "no_copies": _no_copies,
    "lighter": _lighter,
    "faster": _faster,
    "none": lambda claim, _: Finding(verdict="not tested", note=claim.none),
}
"""The function that tests each kind of claim."""
