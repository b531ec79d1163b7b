"""The lottery of training: planted components are found, none that is not there, and intervals cover as they say."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from adm.artifacts.seal import write_sealed_json
from adm.params import check
from adm.params.needs import needs_of
from adm.pipeline import Pipeline
from adm.report.lottery import KINDS, ROWS, Lottery
from adm.stages import figure, table
from adm.tools import reproduced

EVEN = {"weights": 1, "data": 1, "noise": 1, "rest": 1, "resampling": 1}
NOTHING = dict.fromkeys(EVEN, 0) | {"resampling": 1}
TRIALS = 200


def square(n):
    return [(row, column, (row + column) % n) for row in range(n) for column in range(n)]


def played(rng, n, m, weights, data, noise, rest, resampling):
    effects = [sd * rng.standard_normal(n) for sd in (weights, data, noise)]
    models = [sum(effect[seed] for effect, seed in zip(effects, seeds, strict=True)) for seeds in square(n)]
    own = np.array(models) + rest * rng.standard_normal(n * n)
    return Lottery(square(n), 30 + own[:, None] + resampling * rng.standard_normal((n * n, m)), 8)


def holds(interval, truth):
    return interval.low <= truth <= interval.high


def retraining(truth):
    return np.sqrt(sum(truth[kind] ** 2 for kind in KINDS))


@pytest.mark.parametrize(("n", "m"), [(3, 2), (4, 3)])
def test_mean_squares_are_those_of_least_squares(n, m):
    rng = np.random.default_rng(0)
    values, levels = rng.normal(size=(n * n, m)), square(n)
    found = Lottery(levels, values, 8)
    rows = np.repeat(np.arange(n * n), m)

    def left(*factors):
        """The sum of squares that a linear model of these factors leaves."""
        design = np.column_stack([np.ones(n * n * m), *(np.eye(int(f.max()) + 1)[f] for f in factors)])
        return ((values.ravel() - design @ np.linalg.lstsq(design, values.ravel())[0]) ** 2).sum()

    kinds = [np.array(kind)[rows] for kind in zip(*levels, strict=True)]
    sums = [left() - left(kind) for kind in kinds]
    sums += [left(*kinds) - left(rows), left(rows)]
    np.testing.assert_allclose(found.squares * found.freedom, sums)
    assert found.freedom.sum() == n * n * m - 1


@pytest.mark.parametrize("truth", [EVEN, NOTHING, NOTHING | {"data": 3}, NOTHING | {"rest": 3, "noise": 1}])
@pytest.mark.parametrize(("n", "m"), [(3, 2), (5, 3)])
def test_intervals_cover_as_they_say(n, m, truth):
    rng, hits, ratios = np.random.default_rng(2), [], []
    for _ in range(TRIALS):
        found = played(rng, n, m, **truth)
        parts = found.components
        hits.append([holds(parts[name], sd) for name, sd in (truth | {"retraining": retraining(truth)}).items()])
        ratios.append(holds(found.ratio, retraining(truth) / truth["resampling"]))
    assert min(np.mean(hits, axis=0)) >= 0.92
    assert np.mean(ratios) >= 0.92


@pytest.mark.parametrize("truth", [EVEN, NOTHING, NOTHING | {"weights": 2}])
def test_two_trainings_differ_by_less_than_it_says_as_often_as_it_says(truth):
    rng, spread = np.random.default_rng(4), np.sqrt(2 * (retraining(truth) ** 2 + truth["resampling"] ** 2))
    for coverage, wanted in ((0.95, 0.92), (0.99, 0.965)):
        found = [played(rng, 4, 2, **truth).difference(coverage) for _ in range(TRIALS)]
        within = np.mean([2 * stats.norm.cdf(size / spread) - 1 for size in found])
        assert wanted <= within <= coverage + 0.02


def test_neither_a_shift_nor_the_order_of_models_changes_it_and_a_scale_scales_it():
    rng = np.random.default_rng(5)
    values, order = rng.normal(size=(16, 2)), rng.permutation(16)
    plain = Lottery(square(4), values, 8)
    other = Lottery([square(4)[place] for place in order], 7 - 3 * values[order], 8)
    assert plain.ratio == pytest.approx(other.ratio, rel=1e-6)
    assert other.difference(0.95) == pytest.approx(3 * plain.difference(0.95))
    assert other.components["rest"] == pytest.approx([3 * end for end in plain.components["rest"]])


def test_where_nothing_spreads_every_component_is_none():
    found = Lottery(square(3), np.full((9, 2), 4.0), 8)
    assert all(end == 0 for part in found.components.values() for end in part)
    assert found.difference(0.99) == 0


# The stages.


@pytest.fixture
def params(root):
    content = yaml.safe_load((root / "tests" / "coloured.yaml").read_text())
    model = next(key for key, entry in content["models"].items() if entry["kind"] == "diffusion")
    seeds = {kind: [1, 2, 3] for kind in ("weights", "data", "noise")}
    content["models"]["played"] = content["models"][model] | {"checkpoints": [5], "seeds": seeds}
    run = {"checkpoint": "played", "num_samples": 8, "sweep": {"seed": [0, 8]}}
    content["runs"]["played"] = run
    shown = {"kind": "lottery", "runs": ["played"], "caption": "Played."}
    return check(content | {"tables": {"played": shown}, "figures": {"played": shown}, "claims": {}}, "params.yaml")


def test_table_and_figure_tell_what_was_planted(params, placed, score, tmp_path):
    inputs = placed(needs_of(params, params.tables["played"]), tmp_path)
    (tmp_path / "metrics").mkdir()
    rng = np.random.default_rng(6)
    for run, path in inputs["metrics"].items():
        seeds = params.models[params.model_of(params.runs[run].checkpoint)].training.seeds
        write_sealed_json(path, score(params, run, fid=50.0 + 10 * seeds.noise + rng.normal()))
    jobs = Pipeline(params).jobs
    read = jobs["table/played"].sections["read"]
    table.run("played", params.tables["played"], read, inputs, tmp_path / "table", {})
    found = pd.read_csv(tmp_path / "table.csv").set_index("Source of spread")
    low = found["95 % from"]
    assert low["Noise of the loss"] > 3
    assert low["Initial weights"] == low["Order of the data"] == 0
    assert found.loc["Noise of the loss", "Share of the variance"] > "9"
    (tmp_path / "tables").mkdir()
    (tmp_path / "table.csv").rename(tmp_path / "tables" / "lottery.csv")
    assert reproduced.retraining(tmp_path) == float(found.loc[ROWS["ratio"], "FID, standard deviation"])
    assert reproduced.retraining(tmp_path / "nothing") == reproduced.RETRAINING
    read = jobs["figure/played"].sections["read"]
    figure.run("played", params.figures["played"], read, inputs, tmp_path / "figure", {})
    assert (tmp_path / "figure.png").stat().st_size > 10_000
