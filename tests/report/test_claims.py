"""Verdicts: intervals cover as they say, and no verdict says more than its interval bears."""

import csv
import json
import re
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from damage import sealed_json
from hypothesis import given
from hypothesis import strategies as st
from making import make, record, timed
from pydantic import TypeAdapter
from scipy import stats

from adm.artifacts.seal import write_sealed_json
from adm.config.models import TrainingParams
from adm.errors import UserError
from adm.metrics.intervals import Block, draws_of, interval, interval_of_greatest, interval_of_least, median_draws
from adm.metrics.jackknife import PARTS, Jackknife, jackknife, parts_of, sets_left_out
from adm.params.claims import ClaimParams, grouped
from adm.params.models import DiffusionModelParams
from adm.params.needs import needs_of
from adm.params.runs import (
    GanRunParams,
    GuideParams,
    InterpolationParams,
    NeighboursParams,
    RunParams,
    ThroughputParams,
)
from adm.params.schema import Params
from adm.report.claims import judge, metric_draws
from adm.report.evidence import Evidence, read_evidence
from adm.report.metrics import Score
from adm.sampling.studies import Interpolation, Neighbours, write_study
from adm.stages import claims as stage

pytestmark = pytest.mark.usefixtures("coarse")

CLAIM = TypeAdapter(ClaimParams)
EARLY_AT = {"a": 100, "b": 200, "c": 800}


def claim_of(kind, **keys):
    return CLAIM.validate_python({"statement": "S.", "source": "Table 6", "kind": kind, **keys})


def score(value, noise=0.1, seed=0, count=1000, of=None):
    """A run of which every metric is `value`, with the standard error `noise`; `of` is its seed of sampling."""
    deviations = np.random.default_rng(seed).standard_normal(PARTS)
    deviations = (deviations - deviations.mean()) / deviations.std(ddof=1)
    found = Jackknife(value + noise * np.sqrt(PARTS) * deviations, np.zeros(0))
    names = ("fid", "sfid", "inception_score", "precision", "recall")
    return Score(dict.fromkeys(names, value), dict.fromkeys(names, found), count, of)


def scored(*values, noise=0.1, **keys):
    return {
        run: score(value, noise, seed, **keys)
        for seed, (run, value) in enumerate(zip("abcdefgh", values, strict=False))
    }


def verdict(claim, **evidence):
    return judge("key", claim, Evidence(**evidence))


# Intervals.


def fid_of_normals(samples):
    """FID in one dimension, against the standard normal; samples (..., n)."""
    return samples.mean(-1) ** 2 + (samples.std(-1, ddof=1) - 1) ** 2


def scored_normals(samples, seed):
    """The score of a run with these samples, its jackknife of all and without each part and each two."""
    parts = parts_of(len(samples))
    sets = sets_left_out(len(samples))
    remaining = np.array([fid_of_normals(samples[~np.isin(parts, left_out)]) for left_out in sets])
    value = float(fid_of_normals(samples))
    return Score({"fid": value}, {"fid": jackknife(value, remaining, len(samples))}, len(samples), seed)


@pytest.mark.parametrize("same", [True, False])
def test_the_interval_of_a_difference_in_fid_covers_the_truth(same):
    """Runs of the same seeds share their noise; taken for independent, they would have far too wide an interval."""
    rng, n, trials, covered, widths = np.random.default_rng(0), 160, 250, 0, []
    claim = claim_of("lower", metric="fid", run="a", than="b")
    for _ in range(trials):
        noise = rng.standard_normal(n)
        others = noise if same else rng.standard_normal(n)
        samples = {"a": 0.5 + noise, "b": 0.8 + others}
        scores = {run: scored_normals(each, 0 if same or run == "a" else 1) for run, each in samples.items()}
        found = verdict(claim, scores=scores)
        covered += found.low <= 0.25 - 0.64 <= found.high
        widths.append(found.high - found.low)
        dropped = verdict(claim, scores={run: replace(score, seed=None) for run, score in scores.items()})
        assert not same or dropped.high - dropped.low > 1.5 * widths[-1]
    assert 0.92 <= covered / trials <= 0.98


@pytest.mark.parametrize("n", [3, 8, 60])
def test_the_interval_of_a_mean_covers_the_truth_however_few_values(n):
    rng, trials = np.random.default_rng(1), 300
    found = [interval(draws_of([Block(rng.standard_normal((n, 1)))])[0][:, 0]) for _ in range(trials)]
    hits = sum(each.low <= 0 <= each.high for each in found)
    assert 0.90 <= hits / trials <= 0.995


@pytest.mark.parametrize("n", [6, 7, 40, 41])
def test_median_draws_are_distributed_as_medians_of_resamples(n):
    rng = np.random.default_rng(2)
    values = rng.exponential(size=n)
    resampled = np.median(values[rng.integers(n, size=(4000, n))], axis=1)
    drawn = median_draws(values, rng)
    assert drawn[0] == np.median(values)
    assert stats.ks_2samp(drawn[1:], resampled).pvalue > 0.01
    np.testing.assert_allclose(
        np.unique(drawn[1:])[[0, -1]], np.unique(resampled)[[0, -1]], atol=np.ptp(values) / (2 if n < 10 else 4)
    )


@pytest.mark.parametrize("seeds", [(None, None, None, None), (0, 0, 1, 1), (0, 0, 0, 0), (2, 1, 2, None)])
def test_the_order_of_runs_changes_nothing(seeds):
    values = (3, 2.1, 2, 1.9)
    scores = {run: score(value, 0.4, i, of=seeds[i]) for i, (run, value) in enumerate(zip("abcd", values, strict=True))}
    found = [
        metric_draws("fid", order, Evidence(scores={run: scores[run] for run in order}))
        for order in ("abcd", "dcba", "cadb")
    ]
    for run in "abcd":
        for each in found[1:]:
            np.testing.assert_allclose(each[run], found[0][run], atol=1e-9)
    claims = [claim_of("not_better", metric="fid", runs=list(order), base="a", by=0.5) for order in ("bcd", "dbc")]
    first, second = (verdict(claim, scores=scores) for claim in claims)
    assert (first.verdict, first.low, first.high) == (second.verdict, second.low, second.high)


def test_a_run_more_in_a_claim_changes_no_difference_between_the_others():
    scores = {run: score(value, 0.4, i, of=0) for i, (run, value) in enumerate(zip("abc", (3, 2, 1), strict=True))}
    two, three = (metric_draws("fid", runs, Evidence(scores=scores)) for runs in ("ab", "abc"))
    np.testing.assert_allclose((two["a"] - two["b"])[1:].std(), (three["a"] - three["b"])[1:].std(), rtol=0.02)


def test_intervals_of_the_least_and_greatest_of_one_are_its_own():
    draws = np.random.default_rng(4).exponential(size=(1001, 1))
    for of in (interval_of_least, interval_of_greatest):
        np.testing.assert_allclose(of(draws), interval(draws[:, 0]))


@pytest.mark.parametrize("same", [True, False])
def test_intervals_of_the_least_and_greatest_cover_the_truth(same):
    rng, n, trials = np.random.default_rng(5), 9, 400
    truth = np.zeros(n) if same else np.linspace(0, 8, n)
    least = greatest = 0
    for _ in range(trials):
        point = truth + rng.standard_normal(n)
        draws = np.concatenate([point[None], point + rng.standard_normal((300, n))])
        low, high = interval_of_least(draws)[1:]
        least += low <= truth.min() <= high
        low, high = interval_of_greatest(draws)[1:]
        greatest += low <= truth.max() <= high
    assert min(least, greatest) / trials >= 0.92


# Verdicts, kind by kind: of each a clear effect, its reverse and an unclear one.

FAR, NEAR = 1.0, 0.05  # ten times and half the standard error


def images(means, seed=0, count=40, spread=0.05):
    """Errors (N, 2) whose columns have these means, and much in common."""
    rng = np.random.default_rng(seed)
    return 1 + rng.exponential(size=(count, 1)) + np.asarray(means) + spread * rng.standard_normal((count, 2))


def nearest(distances, copies, dataset):
    two = np.stack([distances, distances + 1], axis=1)
    return Neighbours(np.zeros(two.shape, np.int64), two, dataset, copies)


def neighbours(ratio, copies=0, count=500, seed=0):
    rng = np.random.default_rng(seed)
    dataset = rng.gamma(9, size=count)
    return {"n": nearest(ratio * dataset, np.arange(count) < copies, dataset)}


def rates(ratio, spread=0.02):
    rng = np.random.default_rng(0)
    return {"t": (10 + spread * rng.standard_normal(6), ratio * (10 + spread * rng.standard_normal(6)))}


LOWER = claim_of("lower", metric="fid", run="a", than="b")
LOWER_BY = claim_of("lower", metric="fid", run="a", than="b", by=2.0)
HIGHER = claim_of("higher", metric="recall", run="a", than="b", by=0.5)
FALLS = claim_of("falls", metric="fid", runs=["a", "b", "c", "d"])
RISES = claim_of("rises", metric="recall", runs=["a", "b", "c", "d"])
BRIDGES = claim_of("bridges", metric="fid", run="a", from_run="b", to_run="c", share=0.5)
BRIDGES_UP = claim_of("bridges", metric="recall", run="a", from_run="b", to_run="c", share=0.5)
SIMILAR = claim_of("similar", metric="fid", runs_a=["a", "b"], runs_b=["c", "d"], within=0.5)
NOT_BETTER = claim_of("not_better", metric="fid", runs=["a", "b", "c"], base="d", by=0.5)
NOT_BETTER_UP = claim_of("not_better", metric="precision", runs=["a", "b", "c"], base="d", by=0.5)
EARLY = claim_of("beats_early", metric="fid", runs=["a", "b", "c"], than="d", by_share=0.25)
RECONSTRUCTION = claim_of("reconstruction", interpolation="i", better="all_but_last")
ORDER = claim_of("reconstruction_order", interpolations=["i", "j", "k"])
NO_COPIES = claim_of("no_copies", neighbours=["n"], ratio=0.5, copies=0.02)
LIGHTER = claim_of("lighter", model="classifier", than="adm", by=10.0)
FASTER = claim_of("faster", throughput="t")


def of_order(*means):
    return {key: images([mean, 9], seed) for seed, (key, mean) in enumerate(zip("ijk", means, strict=True))}


def paired_order(*means):
    common = images([0, 9])
    return {key: common + np.array([mean, 0]) for key, mean in zip("ijk", means, strict=True)}


CASES = [
    (LOWER, "scores", scored(1, 1 + FAR), scored(1 + FAR, 1), scored(1, 1 + NEAR)),
    (LOWER_BY, "scores", scored(1, 4), scored(1, 2), scored(1, 3 + NEAR)),
    (HIGHER, "scores", scored(2, 1), scored(1.1, 1), scored(1.5 + NEAR, 1)),
    (FALLS, "scores", scored(4, 3, 2, 1), scored(1, 2, 3, 4), scored(1 + NEAR, 1, 1, 1)),
    (FALLS, "scores", scored(4, 3, 2, 1), scored(4, 2, 3, 1), scored(4, 2, 2 - NEAR, 1)),
    (RISES, "scores", scored(1, 2, 3, 4), scored(1, 4, 3, 5), scored(1, 2, 3, 3 - NEAR)),
    (BRIDGES, "scores", scored(1.2, 3, 1), scored(2.8, 3, 1), scored(2 + NEAR, 3, 1)),
    (BRIDGES_UP, "scores", scored(2.8, 1, 3), scored(1.2, 1, 3), scored(2 + NEAR, 1, 3)),
    (SIMILAR, "scores", scored(1, 2, 1.1, 2), scored(1, 2, 4, 0), scored(1, 2, 1.5 + NEAR, 2.5)),
    (NOT_BETTER, "scores", scored(3, 2, 2, 2), scored(3, 3, 1, 2), scored(3, 3, 1.5 + NEAR, 2)),
    (NOT_BETTER_UP, "scores", scored(1, 2, 2, 2), scored(1, 3, 1, 2), scored(1, 1, 2.5 + NEAR, 2)),
    (EARLY, "scores", scored(3, 1, 0, 2), scored(4, 3, 1, 2), scored(4, 2 - NEAR, 1, 2)),
    (RECONSTRUCTION, "errors", {"i": images([0, 1])}, {"i": images([1, 0])}, {"i": images([0, 0.01], spread=0.5)}),
    (ORDER, "errors", paired_order(0, 0.1, 0.2), paired_order(0.1, 0, 0.2), of_order(0, 0.01, 1)),
    (NO_COPIES, "neighbours", neighbours(1.0), neighbours(0.2), neighbours(0.5)),
    (NO_COPIES, "neighbours", neighbours(1.0, copies=1), neighbours(1.0, copies=50), neighbours(1.0, copies=9)),
    (LIGHTER, "costs", {"classifier": 1, "adm": 11}, {"classifier": 1, "adm": 9}, {"classifier": 1, "adm": 10}),
    (FASTER, "throughputs", rates(1.5), rates(0.8), rates(1.001)),
]


@pytest.mark.parametrize("number", range(3), ids=["holds", "does not hold", "undecided"])
@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case[0].kind}" for number, case in enumerate(CASES)])
def test_a_verdict_follows_the_effect(case, number):
    claim, section, *evidence = case
    found = verdict(claim, **{section: evidence[number]}, iterations=EARLY_AT)
    assert found.verdict == ("holds", "does not hold", "undecided")[number]
    assert found.low <= found.estimate <= found.high
    assert found.effect


def test_a_claim_that_cannot_be_tested_gives_the_reason():
    found = verdict(claim_of("none", none="no such classifier"))
    assert (found.verdict, found.note, found.low, found.high) == ("not tested", "no such classifier", None, None)


def test_a_gap_that_is_not_there_decides_nothing():
    for b, c in ((3, 3 - NEAR), (1, 3)):  # unclear, and of the wrong sign
        found = verdict(BRIDGES, scores=scored(2, b, c))
        assert found.verdict == "undecided"
        assert "gap" in found.measure


def test_the_first_better_checkpoint_is_named():
    found = verdict(EARLY, scores=scored(3, 1, 0, 2), iterations=EARLY_AT)
    assert found.note == "clearly better at iteration 200 of 800"


def test_a_step_the_other_way_is_what_is_shown():
    found = verdict(FALLS, scores=scored(4, 2, 3, 1))
    assert found.high < 0
    assert "step" in found.measure
    assert found.note == "steps -2, +1, -2"


RUNS = [*"abcdefghij"]


@pytest.mark.parametrize(
    ("claim", "truth", "wrong"),
    [
        (claim_of("similar", metric="fid", runs_a=["a"], runs_b=["b"], within=0.01), [0, 0], "does not hold"),
        (claim_of("similar", metric="fid", runs_a=RUNS[:4], runs_b=RUNS[4:8], within=0.01), [0] * 8, "does not hold"),
        # The first and the last run are far apart, which a step in the middle is not.
        (FALLS, [9, 5, 5, 1], "holds"),
        (claim_of("not_better", metric="recall", runs=RUNS[:-1], base="j", by=0.0), [0] * 10, "does not hold"),
    ],
)
def test_noise_alone_is_rarely_called_an_effect(claim, truth, wrong):
    rng, trials, found = np.random.default_rng(8), 300, 0
    for trial in range(trials):
        values = truth + rng.standard_normal(len(truth))
        scores = {run: score(x, 1.0, 100 * trial + i) for i, (run, x) in enumerate(zip(RUNS, values, strict=False))}
        found += verdict(claim, scores=scores).verdict == wrong
    assert found / trials <= 0.075


# No verdict says more than its interval bears.

METRIC_CLAIMS = [case[0] for case in CASES if case[1] == "scores"]


def check_borne(found):
    side, threshold = re.search(r"claimed (above|below) (\S+)$", found.measure).groups()
    sign, threshold = (1 if side == "above" else -1), float(threshold)
    low, high = sorted((sign * (found.low - threshold), sign * (found.high - threshold)))
    if low <= 0 <= high:
        assert found.verdict == "undecided"
    assert found.verdict != "holds" or low > 0
    assert found.verdict != "does not hold" or high < 0


@given(
    claim=st.sampled_from(METRIC_CLAIMS),
    values=st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), min_size=4, max_size=4),
    noise=st.sampled_from([0.0, 0.01, 0.2, 1.0]),
)
def test_a_verdict_on_metrics_is_borne_by_its_interval(claim, values, noise):
    check_borne(verdict(claim, scores=scored(*values, noise=noise), iterations=EARLY_AT))


@given(ratio=st.floats(0.3, 0.8), copies=st.integers(0, 30), count=st.integers(6, 300))
def test_a_verdict_on_copies_is_borne_by_its_interval(ratio, copies, count):
    check_borne(verdict(NO_COPIES, neighbours=neighbours(ratio, min(copies, count), count)))


def test_the_bounds_of_copies_in_several_studies_are_simultaneous():
    claim = claim_of("no_copies", neighbours=["n", "m", "o", "p"], ratio=0.5, copies=0.02)
    found = {key: neighbours(1.0, copies, 1000)["n"] for key, copies in zip("nmop", (30, 20, 20, 20), strict=True)}
    told = verdict(claim, neighbours=found)
    assert told.low == pytest.approx(stats.beta.ppf(0.025 / 4, 30, 971))
    assert told.verdict == "undecided"


def test_what_is_identical_is_never_better():
    for noise in (0.0, 0.1):
        for claim in (LOWER, LOWER_BY, HIGHER, FALLS, RISES, BRIDGES, BRIDGES_UP, EARLY):
            same = {run: score(2.0, noise, seed=0) for run in "abcd"}
            assert verdict(claim, scores=same, iterations=EARLY_AT).verdict != "holds", claim
    errors = np.repeat(images([0, 0])[:, :1], 2, axis=1)
    assert verdict(RECONSTRUCTION, errors={"i": errors}).verdict == "undecided"
    assert verdict(ORDER, errors=dict.fromkeys("ijk", errors)).verdict == "undecided"
    assert verdict(FASTER, throughputs={"t": ([3.0, 3.1, 3.2], [3.0, 3.1, 3.2])}).verdict == "undecided"
    assert verdict(FASTER, throughputs={"t": ([3.0, 3.0], [3.0, 3.0])}).verdict == "undecided"
    even = claim_of("lighter", model="classifier", than="adm")
    assert verdict(even, costs={"classifier": 5.0, "adm": 5.0}).verdict == "undecided"


REFUSED = [
    (LOWER, {"scores": {"a": score(1), "b": Score({"fid": 1.0}, {}, 5)}}, "run 'b' of 5 samples has no interval"),
    (LOWER, {"scores": {"a": score(1), "b": replace(score(1), metrics={})}}, "run 'b' has no 'fid'"),
    (EARLY, {"scores": scored(1, 2, 3, 4), "iterations": {"a": 1, "b": 1, "c": 2}}, "1, 1, 2, which must rise"),
    (EARLY, {"scores": scored(1, 2, 3, 4), "iterations": {}}, "0, 0, 0, which must rise"),
    (EARLY, {"scores": scored(1, 2, 3, 4), "iterations": {"a": 5, "b": 6, "c": 8}}, "no run is of the first 0.25"),
    (RECONSTRUCTION, {"errors": {"i": images([0, 1], count=1)}}, "at least 2"),
    (NO_COPIES, {"neighbours": neighbours(1.0, count=5)}, "5 distances.*at least 6"),
    (NO_COPIES, {"neighbours": {"n": nearest(np.ones(9), np.zeros(9, bool), np.zeros(9))}}, "is 0; half of them"),
    (FASTER, {"throughputs": {"t": ([1.0], [1.0, 2.0])}}, "at least 2"),
]


@pytest.mark.parametrize(("claim", "evidence", "message"), REFUSED)
def test_what_cannot_be_compared_is_refused_in_one_line(claim, evidence, message):
    with pytest.raises(ValueError, match=rf"^claims\.key: .*{message}") as caught:
        verdict(claim, **evidence)
    assert "\n" not in str(caught.value)


# The stage.

CLAIMS = {
    "adagn": claim_of("lower", metric="fid", run="a", than="b"),
    "early": EARLY,
    "last": RECONSTRUCTION,
    "copies": NO_COPIES,
    "light": LIGHTER,
    "fast": FASTER,
    "big": CLAIM.validate_python(
        {"kind": "none", "statement": "100 % of a|b & c_d.", "source": "App. F", "none": "no a|b_c at 50 %"}
    ),
}


def trained(batch_size, *checkpoints):
    training = TrainingParams.model_construct(batch_size=batch_size)
    return DiffusionModelParams.model_construct(dataset="d", checkpoints=list(checkpoints), training=training)


COMMON = {"gradient_scale": 0.0, "sampler": "ddpm", "steps": "10", "micro_batch": 1, "seed": 0, "threads": 1}
MODELS = {"adm": trained(6, 100, 200, 800), "classifier": trained(2, 7)}
PARAMS = Params.model_construct(
    claims=CLAIMS,
    models=MODELS,
    published=SimpleNamespace(checkpoints={}, samples={}),
    runs={
        run: RunParams.model_construct(checkpoint=f"adm-{stop}", **COMMON)
        for run, stop in zip("abcd", (100, 200, 800, 800), strict=True)
    },
    upsampled_runs={},
    gan_runs={"e": GanRunParams.model_construct(gan="g")},
    interpolations={"i": InterpolationParams.model_construct(checkpoint="adm-800", seed=0)},
    neighbours={"n": NeighboursParams.model_construct(run="a")},
    throughput={"t": ThroughputParams.model_construct(model="adm", steps=2)},
)


def write_score(folder, run, one, sections):
    spreads = {
        name: {"values": each.values.tolist(), "pairs": each.pairs.tolist()} for name, each in one.jackknife.items()
    }
    made_by = record("evaluate", sections, {}, [])
    content = {"metrics": one.metrics, "jackknife": spreads, "num_samples": one.num_samples, "made_by": made_by}
    write_sealed_json(folder / "metrics" / f"{run}.json", content)


@pytest.fixture
def scale(tmp_path):
    (tmp_path / "metrics").mkdir()
    for run, one in scored(1, 2, 3, 1.5).items():
        write_score(tmp_path, run, one, {"run": PARAMS.runs[run]})
    errors, empty = images([0, 1]), np.zeros((1, 2, 8, 8, 3), np.uint8)
    between = Interpolation(empty, empty, np.zeros((1, 2), np.int64), errors[:, 0], errors[:, 1], errors[:, 0])
    made_by = record("interpolate", {"interpolation": PARAMS.interpolations["i"]}, {}, [])
    write_study(tmp_path / "studies" / "i", between, made_by)
    made_by = record("neighbours", {"neighbours": PARAMS.neighbours["n"]}, {}, [])
    write_study(tmp_path / "studies" / "n", neighbours(1.0)["n"], made_by)
    (tmp_path / "throughput").mkdir()
    measured = {
        name: {"images_per_second": list(values)}
        for name, values in zip(("naive", "optimised"), rates(2)["t"], strict=True)
    }
    made_by = record("throughput", timed(PARAMS, "t"), {}, [])
    write_sealed_json(tmp_path / "throughput" / "t.json", {**measured, "made_by": made_by})
    sizes = {name: {"parameters": 5, "forward_flops": flops} for name, flops in (("classifier", 10), ("adm", 20))}
    gans = {"g": {"training_flops": 3 * 20 * 600}}
    made_by = record("sizes", MODELS, {}, [])
    write_sealed_json(tmp_path / "sizes.json", {"models": sizes, "gans": gans, "made_by": made_by})
    return tmp_path


OWN = {key: claim for key, claim in CLAIMS.items() if key not in ("adagn", "fast")}
"""Claims that are neither the paper's nor on speed."""


@pytest.mark.parametrize(("run", "expected"), [("a", "holds"), ("b", "not tested")])
def test_a_run_is_cheaper_only_if_no_more_flops_were_spent_on_it(scale, run, expected):
    """Of 100 iterations of 6 images the model has as many FLOPs as the GAN, and of 200 twice as many."""
    claim = claim_of("cheaper", metric="fid", run=run, than="e")
    write_score(scale, "e", score(9.0), {"run": PARAMS.gan_runs["e"]})
    inputs = {"metrics": {key: scale / "metrics" / f"{key}.json" for key in (run, "e")}}
    evidence = read_evidence(PARAMS, [claim], inputs | {"sizes": {"": scale / "sizes.json"}})
    found = judge("key", claim, evidence)
    assert (found.verdict, evidence.spent["e"]) == (expected, 3 * 20 * 600)


def test_what_a_run_took_is_all_that_was_trained_for_it(scale):
    """What its model started from and a guide that was trained for longer count, and a model's key is no run's."""
    tuned = trained(5, 10).model_copy(update={"start": SimpleNamespace(checkpoint="adm-200")})
    guide = GuideParams(checkpoint="adm-800", scale=1.5)
    guided = RunParams.model_construct(checkpoint="adm-100", guide=guide, **COMMON)
    runs = {"adm": RunParams.model_construct(checkpoint="tuned-10", guide=None, **COMMON), "guided": guided}
    # A part of the training that its model started from leads to the first guide, and is a part of that of the second.
    for run, stop in (("by-source", 100), ("by-longer", 800)):
        by = GuideParams(checkpoint=f"adm-{stop}", scale=1.5)
        runs[run] = RunParams.model_construct(checkpoint="tuned-10", guide=by, **COMMON)
    params = with_sections(models={**MODELS, "tuned": tuned}, runs=PARAMS.runs | runs)
    sizes = {name: {"forward_flops": flops} for name, flops in (("classifier", 10), ("adm", 20), ("tuned", 20))}
    write_sealed_json(scale / "sizes.json", {"models": sizes, "made_by": record("sizes", {}, {}, [])})
    for run in runs:
        write_score(scale, run, score(1.0), {"run": params.runs[run]})
    pairs = [("adm", "guided"), ("by-source", "by-longer")]
    claims = [CLAIMS["light"], *(claim_of("cheaper", metric="fid", run=run, than=than) for run, than in pairs)]
    inputs = {"metrics": {run: scale / "metrics" / f"{run}.json" for run in runs}, "sizes": {"": scale / "sizes.json"}}
    evidence = read_evidence(params, claims, inputs)
    assert evidence.costs == {"classifier": 3 * 10 * 14, "adm": 3 * 20 * 4800}
    spent = {"adm": 50 + 1200, "guided": 4800, "by-source": 50 + 1200, "by-longer": 50 + 4800}
    assert evidence.spent == {run: 3 * 20 * images for run, images in spent.items()}


def with_sections(**changed):
    """The params file with other sections, anew: a copy would keep the look-ups that were made."""
    sections = {name: value for name, value in vars(PARAMS).items() if name in Params.model_fields}
    return Params.model_construct(**sections | changed)


def write(scale, claims=OWN, stem="out/claims", params=None):
    params = with_sections(claims=claims) if params is None else params
    (group,) = grouped(claims)
    paths = {
        "metrics": {run: scale / "metrics" / f"{run}.json" for run in "abcd"},
        "studies": {study: scale / "studies" / study for study in "in"},
        "throughput": {"t": scale / "throughput" / "t.json"},
        "sizes": {"": scale / "sizes.json"},
    }
    needs = needs_of(params, *grouped(params.claims)[group].values())
    inputs = {kind: {key: paths[kind][key] for key in keys} for kind, keys in needs.items() if keys}
    make(stage, grouped(params.claims)[group], params, inputs, scale / stem)
    return scale / stem


def test_the_stage_writes_every_verdict_in_order(scale):
    out = write(scale)
    content = json.loads(out.with_suffix(".json").read_text())
    verdicts = content["claims"]
    assert list(verdicts) == list(OWN)
    assert [found["verdict"] for found in verdicts.values()] == ["holds"] * 4 + ["not tested"]
    assert verdicts["light"]["estimate"] == 20 * 4800 / (10 * 14)
    costs = {"classifier": 3 * 10 * 14, "adm": 3 * 20 * 4800}
    assert content["made_by"]["facts"] == {"iterations": EARLY_AT, "models": costs, "spent": {}}
    assert set(content["made_by"]["inputs"]) >= {"metrics/a", "studies/i", "studies/n", "sizes"}
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    assert [row["key"] for row in rows] == list(OWN)
    for row in rows[:-1]:
        np.testing.assert_allclose(float(row["low"]), verdicts[row["key"]]["low"], rtol=1e-5)
    lines = [line for line in out.with_suffix(".md").read_text().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(OWN)
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert columns == [6] * len(lines)
    assert "not tested: no a\\|b_c at 50 %" in lines[-1]
    latex = out.with_suffix(".tex").read_text()
    assert "\\toprule" in latex
    assert not re.search(r"(?<!\\)%", latex)
    assert r"a|b \& c\_d" in latex


def test_runs_of_separate_score_files_are_paired_by_their_seeds(scale, monkeypatch):
    monkeypatch.setattr("adm.metrics.intervals.POINTS", 1 << 15)
    claims = {"adagn": CLAIMS["adagn"]}
    inputs = {"metrics": {run: scale / "metrics" / f"{run}.json" for run in "ab"}}
    evidence = read_evidence(with_sections(claims=claims), list(claims.values()), inputs)
    assert {each.seed for each in evidence.scores.values()} == {COMMON["seed"]}
    apart = {run: replace(each, seed=number) for number, (run, each) in enumerate(evidence.scores.items())}
    parts = [evidence.scores[run].jackknife["fid"].values for run in "ab"]
    for scores, test in ((evidence.scores, stats.ttest_rel), (apart, partial(stats.ttest_ind, equal_var=False))):
        found = judge("adagn", claims["adagn"], Evidence(scores=scores))
        expected = test(*parts).confidence_interval()
        np.testing.assert_allclose([found.low, found.high], expected, atol=0.03 * np.ptp(expected))


def test_what_is_measured_in_seconds_is_told_apart_from_the_papers_claims_and_from_ones_own(scale):
    groups = {group: list(claims) for group, claims in grouped(CLAIMS).items()}
    assert groups == {"paper": ["adagn"], "own": list(OWN), "speed": ["fast"]}
    read = {"paper": {"metrics/a", "metrics/b"}, "speed": {"throughput/t"}}
    for group, inputs in read.items():
        content = json.loads(write(scale, grouped(CLAIMS)[group], group).with_suffix(".json").read_text())
        assert list(content["claims"]) == groups[group]
        assert set(content["made_by"]["inputs"]) == inputs
    assert grouped({}) == {}


def test_a_verdict_depends_on_no_other_claim(scale):
    together = json.loads(write(scale).with_suffix(".json").read_text())["claims"]
    for key, claim in OWN.items():
        alone = json.loads(write(scale, {key: claim}, "alone/claims").with_suffix(".json").read_text())["claims"]
        assert alone == {key: together[key]}


BROKEN = {
    "metrics/a.json": ("adagn", '{"metrics": {"fid": 1.0}, "jackknife": {"fid": {"values": ["x"]}}, "num_samples": 5}'),
    "studies/i/interpolation.npz": ("last", "broken"),
    "throughput/t.json": ("fast", None),
    "sizes.json": ("light", '{"models": {"adm": {"forward_flops": 1}}}'),
}
"""Files, each with a claim that is tested on it, and what it holds."""


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_missing_or_broken_is_named_in_one_line(scale, name):
    key, content = BROKEN[name]
    (scale / name).unlink()
    if content is not None:
        (scale / name).write_bytes(sealed_json(json.loads(content)) if name.endswith("json") else content.encode())
    with pytest.raises(UserError, match=re.escape(str(scale / name))) as caught:
        write(scale, {key: CLAIMS[key]})
    assert "\n" not in str(caught.value)
    assert not (scale / "out").exists()
