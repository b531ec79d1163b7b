"""Intervals over seeds of training: they cover as they say, and tables, curves and claims show them."""

import csv
import io

import numpy as np
import pytest
import verdicts
import yaml
from making import make
from pydantic import TypeAdapter
from scipy import stats

from adm.artifacts.seal import write_sealed_json
from adm.metrics.intervals import Block, draws_of, interval, metric_interval, with_least_spread
from adm.metrics.jackknife import Jackknife
from adm.params import check
from adm.params.claims import ClaimParams, grouped
from adm.params.needs import needs_of
from adm.params.tables import OwnTableParams, RowsParams
from adm.report.artwork import ARTISTS
from adm.report.claims import judge
from adm.report.evidence import Evidence
from adm.report.metrics import Score, over_seeds
from adm.report.run_tables import own_table, read_paper_table, run_table
from adm.report.tables import write_table
from adm.stages import claims as claims_stage


def claim_of(**section):
    return TypeAdapter(ClaimParams).validate_python({"statement": "S.", "source": "A", **section})


def test_intervals_of_differences_are_students_if_paired_and_else_welchs():
    rng = np.random.default_rng(3)
    for n, m in ((3, 3), (5, 5), (3, 5), (2, 4)):
        a, b = rng.normal(0, 1, n), rng.normal(1, 3, m)
        x, y = draws_of([Block(a[:, None]), Block(b[:, None])])
        expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
        np.testing.assert_allclose(interval((x - y)[:, 0])[1:], expected, atol=0.02 * np.ptp(expected))
        if n == m:
            (paired,) = draws_of([Block(np.stack([a, b], axis=1))])
            expected = stats.ttest_rel(a, b).confidence_interval()
            found = interval(paired[:, 0] - paired[:, 1])
            np.testing.assert_allclose(found[1:], expected, atol=0.02 * np.ptp(expected))


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("n", [3, 5])
def test_differences_between_two_of_several_models_cover_the_truth(n):
    # Of five models; degrees of freedom of all of them together would be too many for a difference of two.
    rng, trials, covered, pooled = np.random.default_rng(4), 500, 0, 0
    for _ in range(trials):
        models = [Block(rng.standard_normal((n, 1))) for _ in range(5)]
        first, second, *_ = draws_of(models)
        low, high = interval((first - second)[:, 0])[1:]
        covered += low <= 0 <= high
        arm = stats.t.ppf(0.975, 5 * (n - 1)) * np.sqrt(sum(model.variance(np.ones(1)) for model in models[:2]))
        pooled += abs(models[0].mean - models[1].mean)[0] <= arm
    assert 0.94 <= covered / trials <= 0.995
    assert pooled / trials <= 0.935


def test_a_mean_over_seeds_is_students():
    values = np.array([3.0, 4.0, 8.0, 1.0])
    found = over_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    np.testing.assert_allclose([found.mean - found.half_width, found.mean + found.half_width], expected)
    assert (found.mean, found.seeds) == (4.0, 4)
    np.testing.assert_allclose(found.spread, np.std(values, ddof=1))


@pytest.mark.parametrize("value", [2.5, 0.1, 1 / 3])
def test_identical_seeds_have_no_spread(value):
    found = over_seeds(np.full(3, value))
    assert (found.mean, found.spread, found.half_width) == (pytest.approx(value), 0.0, 0.0)
    (draws,) = draws_of([Block(np.full((3, 2), 2.5))])
    assert (draws == 2.5).all()


def test_shares_that_are_alike_in_every_part_get_the_error_of_one_sample_each_apart_from_the_others():
    values = np.ones((16, 3))
    values[:, 1] = np.random.default_rng(0).random(16)
    block = with_least_spread(Block(values), 1 / 320)
    assert block.mean == pytest.approx(values.mean(axis=0))
    first, own, last = np.eye(3)
    assert block.variance(first) == pytest.approx(1 / 320**2)
    assert block.variance(first - last) == pytest.approx(2 / 320**2)
    assert block.variance(own) == pytest.approx(Block(values).variance(own))


def test_the_interval_of_a_share_is_one_of_shares():
    all_of_it = Jackknife(np.ones(16), np.zeros(0))
    _, low, high = metric_interval("precision", all_of_it, 200)
    assert 1 - 2.2 / 200 < low < 1 - 2.1 / 200
    assert high == 1
    assert metric_interval("density", all_of_it, 200).high > 1
    assert metric_interval("fid", all_of_it, 200)[1:] == (1, 1)


# Claims.


def judged(claim, values, paired=False):
    """The verdict on a claim whose runs are groups of these values; paired groups are of the same models."""
    groups = {key: [f"{key}-{i}" for i in range(len(found))] for key, found in values.items()}
    scores = {
        run: Score({claim.metric: float(value)}, {}, 400)
        for key, found in values.items()
        for run, value in zip(groups[key], found, strict=True)
    }
    trained = {run: run[2:] if paired else run for run in scores}
    return judge("key", claim, Evidence(scores=scores, groups=groups, trained=trained))


def around(*centres):
    """Values of groups a, b, c, ... at four seeds around centres, in another order each."""
    offsets = np.linspace(-0.1, 0.1, 4)
    return {
        key: centre + np.roll(offsets, shift) for shift, (key, centre) in enumerate(zip("abcd", centres, strict=False))
    }


CASES = [
    ({"kind": "lower", "metric": "fid", "run": "a", "than": "b"}, (1, 2), (2, 1), (1, 1.05)),
    ({"kind": "higher", "metric": "recall", "run": "a", "than": "b", "by": 0.5}, (2, 1), (1, 1), (1.52, 1)),
    ({"kind": "falls", "metric": "fid", "runs": list("abcd")}, (4, 3, 2, 1), (1, 2, 3, 4), (1.05, 1, 1, 1)),
    (
        {"kind": "not_better", "metric": "fid", "runs": ["a", "b", "c"], "base": "d", "by": 0.5},
        (3, 3, 2, 2),
        (3, 3, 0.5, 2),
        (3, 3, 1.5, 2),
    ),
]


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("case", CASES, ids=[case[0]["kind"] for case in CASES])
def test_a_verdict_over_seeds_follows_the_effect(case, paired):
    section, *centres = case
    claim = claim_of(**section)
    for expected, values in zip(("holds", "does not hold", "undecided"), centres, strict=True):
        found = judged(claim, around(*values), paired)
        assert found.verdict == expected
        assert found.low <= found.estimate <= found.high
        assert found.seeds == 4


def test_shares_that_no_seed_changes_differ_by_the_error_of_one_sample():
    claim = claim_of(kind="higher", metric="precision", run="a", than="b")
    # 400 samples at each of three seeds: one sample is 0.0008 of all, and t(2) is 4.3.
    for paired in (True, False):
        assert judged(claim, {"a": [1.0] * 3, "b": [0.997] * 3}, paired).verdict == "undecided"
        assert judged(claim, {"a": [1.0] * 3, "b": [0.99] * 3}, paired).verdict == "holds"


LOWER = claim_of(kind="lower", metric="fid", run="a", than="b")


def test_what_models_share_through_training_cancels_where_they_are_the_same():
    values = {"a": np.array([1.0, 5.0, 9.0]), "b": np.array([1.5, 5.4, 9.6])}
    assert judged(LOWER, values, paired=True).verdict == "holds"
    assert judged(LOWER, values, paired=False).verdict == "undecided"


def test_seeds_that_cannot_be_compared_are_refused():
    scores = {run: Score({"fid": None if run == "b-1" else 1.0}, {}, 4) for run in ("a-0", "a-1", "b-0", "b-1")}
    groups = {"a": ["a-0", "a-1"], "b": ["b-0", "b-1"]}
    with pytest.raises(ValueError, match="run 'b-1' has no 'fid'"):
        judge("key", LOWER, Evidence(scores=scores, groups=groups))


# Artifacts.

FILE = """
datasets: {digits: {source: digits, image_size: 8, num_classes: 10}}
extractors: {vgg: {dataset: digits, side: 16, iterations: 9, least_accuracy: 0.5}}
references: {real: {dataset: digits, num_images: 100}}
models:
  adm:
    kind: diffusion
    dataset: digits
    checkpoints: [100, 200, 400]
    network: {image_size: 8, channels: 32, channel_multiplier: [1, 2], heads: 1, num_classes: 10}
    training: {batch_size: 4}
    seeds: [1, 2, 3]
  single: {kind: diffusion, dataset: digits, checkpoints: [100], training: {batch_size: 4},
    network: {image_size: 8, channels: 32, channel_multiplier: [1, 2], heads: 1, num_classes: 10}}
gans: {rival: {dataset: digits, iterations: 5, seeds: [4, 5]}}
runs:
  run: {checkpoint: adm, num_samples: 8, sweep: {iteration: [100, 200, 400]}}
  alone: {checkpoint: single, num_samples: 8}
gan_runs: {gan: {gan: rival, num_samples: 8, sweep: {truncation: [0.5, 1]}}}
tables:
  mine: {rows: {seeds: run-400, one: alone}, metrics: [fid, kid], caption: Mine.}
figures:
  curve: {kind: curves, x: iterations, y: [fid], caption: Mine., curves: {a: [run-100, run-200, run-400]}}
  beside: {like: curve, curves: {a: [alone, run-200]}}
claims:
  falls: {statement: FID falls., source: A, kind: falls, metric: fid, runs: [run-100, run-200, run-400]}
  rival: {statement: It wins., source: A, kind: lower, metric: fid, run: run-400, than: gan-1}
"""


@pytest.fixture(scope="module")
def params():
    return check(yaml.safe_load(FILE), "params.yaml")


@pytest.fixture
def measured(params, score, placed, tmp_path):
    """Inputs of needs, with the i-th run of a group at 10 + i, less what training or truncation gives."""

    def inputs(needs):
        (tmp_path / "metrics").mkdir()
        for run in needs["metrics"]:
            at = int(run[-1]) if "seed" in run else 0.0
            value = 10.0 + at - (5 if "400" in run else 2 if "200" in run else 0)
            content = score(params, run, value, intervals=("fid", "precision", "recall", "kid"))
            write_sealed_json(tmp_path / "metrics" / f"{run}.json", content)
        return placed(needs, tmp_path)

    return inputs


def test_a_table_shows_mean_interval_and_spread_of_a_group_beside_single_runs(params, measured, tmp_path):
    inputs = measured(needs_of(params, params.tables["mine"]))
    table = own_table(params, params.tables["mine"], inputs)
    assert table["Here"].to_list() == ["adm-400, 250 steps, 3 seeds", "single-100, 250 steps"]
    write_table(tmp_path / "t", table, "Mine", "Mine.", {})
    printed, numbers = (tmp_path / f"t{ending}" for ending in (".md", ".csv"))
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert f"7.00 ± {half:.2f} (1.00)" in printed.read_text()
    assert f"7.00 ± {half:.3g} (1.00)" in printed.read_text()  # of KID, with significant digits
    assert "t-interval" in printed.read_text()
    seeds_row, one = csv.DictReader(io.StringIO(numbers.read_text()))
    assert [float(seeds_row[f"FID{end}"]) for end in ("", ", ±", ", spread", ", seeds")] == pytest.approx(
        [7, half, 1, 3], rel=1e-5
    )
    assert (float(one["FID"]), one["FID, spread"], one["FID, seeds"]) == (10, "", "")


def test_a_table_without_groups_has_no_column_and_no_word_more(params, measured, tmp_path):
    shown = OwnTableParams(rows=["alone"], metrics=["fid"], caption="Mine.")
    alone = params.model_copy(update={"tables": {"mine": shown}})
    write_table(tmp_path / "t", own_table(alone, shown, measured(needs_of(alone, shown))), "Mine", "Mine.", {})
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == "Run,Here,FID"
    assert (tmp_path / "t.md").read_text().startswith("Mine: Mine.\n\n|")


def test_the_papers_tables_show_groups_in_their_rows(params, measured):
    shown = RowsParams(rows=["run-400", "alone"])
    with_table = params.model_copy(update={"tables": {"table_6": shown}})
    inputs = measured(needs_of(with_table, with_table.tables["table_6"]))
    table = run_table(read_paper_table("table_6"), with_table, shown, inputs)
    group, alone = table["FID, here"]
    assert (group.mean, group.spread, group.seeds) == (7, 1, 3)
    assert alone == 10


def test_what_no_seed_changes_is_one_number(params, score, placed, tmp_path):
    needs = needs_of(params, params.tables["mine"])
    (tmp_path / "metrics").mkdir()
    for run in needs["metrics"]:
        write_sealed_json(tmp_path / "metrics" / f"{run}.json", score(params, run, 0.1))
    table = own_table(params, params.tables["mine"], placed(needs, tmp_path))
    assert table["FID"].to_list() == pytest.approx([0.1, 0.1])


def test_curves_go_through_means_with_bars(params, measured):
    inputs = measured(needs_of(params, params.figures["curve"]))
    figure, remark = ARTISTS[params.figures["curve"].kind](params, params.figures["curve"], inputs)
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[100, 12], [200, 10], [400, 7]]
    (bars,) = axes.collections
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    np.testing.assert_allclose(bars.get_segments()[2][:, 1], [7 - half, 7 + half])
    assert "t-interval" in remark
    assert "single" not in remark


def test_a_figure_of_means_and_single_trainings_tells_both_kinds_of_bars(params, measured):
    inputs = measured(needs_of(params, params.figures["beside"]))
    assert "single trainings" in ARTISTS["curves"](params, params.figures["beside"], inputs).remark


def test_claims_of_groups_are_judged_and_say_what_their_intervals_cover(params, measured, tmp_path):
    inputs = measured(needs_of(params, *grouped(params.claims)["own"].values()))
    make(claims_stage, grouped(params.claims)["own"], params, inputs, tmp_path / "own")
    falls, rival = csv.DictReader((tmp_path / "own.csv").read_text().splitlines())
    assert (falls["verdict"], falls["seeds"]) == ("holds", "3")  # paired: each seed falls by as much
    assert (rival["verdict"], rival["seeds"]) == ("holds", "2")
    text = (tmp_path / "own.md").read_text()
    assert "seeds of training" in text.splitlines()[0]
    assert "3 seeds" in text


def test_how_many_verdicts_chance_may_make_wrong_is_told(tmp_path):
    lines = ["key,statement,source,verdict,risk", *["a,S.,Mine,holds,0.01"] * 30]
    lines += [*["b,S.,Mine,undecided,"] * 10, "c,S.,Mine,not tested,"]
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "own.csv").write_text("\n".join(lines))
    told = "\n".join(verdicts.summary(tmp_path, 5))
    assert "chance: 0.3, at most 1.0" in told
