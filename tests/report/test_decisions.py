"""Undecided claims tell what data would decide them, and verdicts how often they err."""

import re
from functools import partial

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats

from adm.metrics.jackknife import PARTS, Jackknife
from adm.params.claims import ClaimParams
from adm.report.claims import judge
from adm.report.evidence import Evidence
from adm.report.metrics import Score
from adm.report.verdicts import Data, needed, risk

CLAIM = TypeAdapter(ClaimParams)
LOWER = CLAIM.validate_python(
    {"statement": "S.", "source": "Mine", "kind": "lower", "metric": "fid", "run": "a", "than": "b"}
)
DEVIATIONS = np.random.default_rng(0).standard_normal(PARTS)
DEVIATIONS = (DEVIATIONS - DEVIATIONS.mean()) / DEVIATIONS.std(ddof=1)


def run_of(value, noise, count):
    """A run whose FID is `value`, with the standard error `noise`."""
    values = value + noise * np.sqrt(PARTS) * DEVIATIONS
    return Score({"fid": value}, {"fid": Jackknife(values, np.zeros(0))}, count)


def drawn_run(rng, truth):
    """A run drawn from a law whose true FID is `truth`, with the standard error 1."""
    values = truth + np.sqrt(PARTS) * rng.standard_normal(PARTS)
    return Score({"fid": values.mean()}, {"fid": Jackknife(values, np.zeros(0))}, 1000)


def compared(difference, count, noise=1.0):
    """The verdict on a difference between runs of `count` images, of which each has the noise of 1000."""
    spread = noise * np.sqrt(1000 / count)
    scores = {"a": run_of(5 + difference, spread, count), "b": run_of(5.0, spread, count)}
    return judge("key", LOWER, Evidence(scores=scores))


def over_seeds(rng, n, difference):
    """Values of n seeds of either group, whose means differ by exactly `difference` and whose spreads are 1."""
    groups = {}
    for name, mean in (("a", 5 + difference), ("b", 5.0)):
        noise = rng.standard_normal(n)
        groups[name] = mean + (noise - noise.mean()) / noise.std(ddof=1)
    return groups


def judged_over_seeds(groups, paired, scored=lambda value: Score({"fid": value}, {}, 50)):
    scores = {f"{name}{i}": scored(x) for name, xs in groups.items() for i, x in enumerate(xs)}
    trained = {run: run[1:] for run in scores} if paired else {}
    members = {name: [f"{name}{i}" for i in range(len(xs))] for name, xs in groups.items()}
    return judge("key", LOWER, Evidence(scores=scores, groups=members, trained=trained))


def count_in(needs):
    return int(re.search(r"about ([\d,]+)", needs)[1].replace(",", ""))


@pytest.mark.parametrize("difference", [-2.5, -0.8, -0.3, 0.5])
def test_the_number_of_images_decides_if_the_estimate_stays_and_a_third_fewer_do_not(difference):
    found = compared(difference, 1000)
    assert found.verdict == "undecided"
    count = count_in(found.needs)
    assert compared(difference, count).verdict == ("holds" if difference < 0 else "does not hold")
    assert compared(difference, count * 2 // 3).verdict == "undecided"
    assert found.needs.endswith("images a run")


@pytest.mark.parametrize("paired", [False, True])
def test_the_number_of_seeds_decides_if_means_and_spreads_stay_and_a_third_fewer_do_not(paired):
    rng = np.random.default_rng(1)
    few = over_seeds(rng, 3, -1.0)
    if paired:  # of the differences, the spread counts
        few["a"] = few["b"] - 1 + np.array([-1.0, 0.0, 1.0])
    found = judged_over_seeds(few, paired)
    assert found.verdict == "undecided"
    count = count_in(found.needs)

    def at(n):
        more = over_seeds(rng, n, -1.0)
        if paired:
            noise = rng.standard_normal(n)
            more["a"] = more["b"] - 1 + (noise - noise.mean()) / noise.std(ddof=1)
        return judged_over_seeds(more, paired).verdict

    assert at(count + 1) == "holds"  # ends of intervals over seeds are known to 2 %
    assert at(max(3, count * 2 // 3)) == "undecided"
    assert found.needs.endswith("seeds a model")


@pytest.mark.parametrize(("of_models", "of_samples"), [(0.3, 1.0), (0.6, 0.8), (0.0, 1.0)])
def test_of_the_same_models_so_many_images_decide_and_a_third_fewer_do_not(of_models, of_samples):
    def at(count):
        noise = of_samples * np.sqrt(1000 / count)
        groups = over_seeds(np.random.default_rng(1), 8, 0.0)
        spread = np.hypot(of_models, noise)
        return judged_over_seeds(
            {
                name: mean + spread * (values - 5)
                for mean, (name, values) in zip((4.15, 5.0), groups.items(), strict=True)
            },
            paired=False,
            scored=lambda value: run_of(value, noise, count),
        )

    found = at(1000)
    assert found.verdict == "undecided"
    seeds, images = found.needs.split(", or perhaps ")
    assert seeds.endswith("seeds a model")
    count = int(images.removesuffix(" images a run").replace(",", ""))
    assert at(round(count * 1.02)).verdict == "holds"  # ends of intervals over seeds are known to 2 %
    assert at(count * 2 // 3).verdict == "undecided"


def test_three_seeds_do_not_tell_what_images_would_decide():
    groups = over_seeds(np.random.default_rng(1), 3, -0.7)
    found = judged_over_seeds(groups, paired=False, scored=lambda value: run_of(value, 1.0, 1000))
    assert (found.verdict, found.needs.endswith("seeds a model")) == ("undecided", True)


def test_where_the_models_differ_too_much_no_number_of_images_is_told():
    groups = over_seeds(np.random.default_rng(1), 8, -0.7)
    found = judged_over_seeds(groups, paired=False, scored=lambda value: run_of(value, 0.3, 1000))
    assert (found.verdict, count_in(found.needs) > 8) == ("undecided", True)
    assert found.needs.endswith("seeds a model")


@pytest.mark.parametrize("paired", [False, True])
def test_the_risk_has_the_degrees_of_freedom_of_the_interval(paired):
    groups = {"a": np.array([5.0, 5.5, 4.5]) - 4, "b": np.array([5.0, 5.01, 4.99])}
    found = judged_over_seeds(groups, paired)
    test = stats.ttest_rel if paired else partial(stats.ttest_ind, equal_var=False)
    one_sided = test(groups["a"], groups["b"], alternative="less").pvalue
    assert found.risk == pytest.approx(one_sided, rel=0.1)


def test_without_a_difference_no_number_decides():
    assert compared(0.0, 1000).needs.startswith("more than 100,000 images a run")
    assert needed(0.0, Data("seeds a model", 3, 4)).startswith("more than 100 seeds a model")


def test_what_is_decided_needs_nothing_and_what_is_not_has_no_risk():
    decided, undecided = compared(-8.0, 1000), compared(-1.0, 1000)
    assert (decided.needs, undecided.risk) == ("", None)
    assert 0 < decided.risk < 1e-5


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("seeds", [None, 4])
def test_as_many_verdicts_are_false_as_their_risks_say(seeds):
    # Truths are spread evenly around the threshold, far beyond the noise.
    rng, found, false = np.random.default_rng(3), [], 0
    for truth in rng.uniform(-6, 6, 1500 if seeds is None else 500):
        if seeds is None:
            scores = {"a": drawn_run(rng, 5 + truth), "b": drawn_run(rng, 5)}
            verdict = judge("key", LOWER, Evidence(scores=scores))
        else:
            values = rng.standard_normal((2, seeds)) + np.array([[5 + truth / 2], [5.0]])
            verdict = judged_over_seeds(dict(zip("ab", values, strict=True)), paired=False)
        found.append(verdict)
        false += verdict.verdict == ("does not hold" if truth < 0 else "holds")
    expected = sum(verdict.risk or 0.0 for verdict in found)
    assert expected <= 0.025 * len(found)
    assert abs(false - expected) <= 3 * np.sqrt(expected) + 1


@pytest.mark.parametrize("freedom", [2, 7, np.inf])
def test_the_risk_at_the_threshold_is_the_tail_of_the_interval_and_falls_from_there(freedom):
    risks = [risk(cleared, freedom) for cleared in (1.0, 1.5, 3.0, np.inf)]
    assert risks[0] == pytest.approx(0.025)
    assert risks == sorted(risks, reverse=True)
    assert risks[-1] == 0.0
