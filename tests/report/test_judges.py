"""Tables and claims of several extractors: side by side, with published values, and never one for another."""

import numpy as np
import pytest
from making import changed, record
from pydantic import TypeAdapter
from scipy import stats

from adm.artifacts.seal import write_sealed_json
from adm.metrics.jackknife import Jackknife
from adm.params.claims import ClaimParams
from adm.params.data import PublishedGraphParams, PublishedSection
from adm.params.needs import needs_of
from adm.params.section import judged
from adm.params.tables import OwnTableParams
from adm.report.claims import judge as verdict_of
from adm.report.evidence import Evidence, read_evidence
from adm.report.metrics import Score, over_seeds
from adm.report.run_tables import own_table
from adm.stages import table as stage

RUNS = ["gan-1", "scale-0", "scale-2"]
SHOWN = OwnTableParams(
    rows={"ADM": "scale-0", "ADM-G": "scale-2", "another": "gan-1"},
    judges=["dinov2"],
    published="dinov2",
    metrics=["fid", "sfid", "kid", "coverage"],
    caption="By two.",
)


@pytest.fixture(scope="module")
def two(params):
    graph = PublishedGraphParams(url="https://example.org/net.pth", network="dinov2-vitl14")
    section = PublishedSection(graphs={"dinov2": graph})
    return changed(params, published=section, tables={"two": SHOWN})


@pytest.fixture
def inputs(two, score, placed, tmp_path):
    """The scores of three runs by both: those of the n-th are n, and 10 n by the judge."""
    found = placed(needs_of(two, two.tables["two"]), tmp_path)
    found["judged"] = {key: path.with_suffix(".json") for key, path in found["judged"].items()}
    for folder in ("metrics", "judged"):
        (tmp_path / folder).mkdir()
    for number, run in enumerate(RUNS, start=1):
        write_sealed_json(found["metrics"][run], score(two, run, float(number), ["fid"]))
        content = score(two, run, 10.0 * number, ["fid"])
        sections = {"run": two.scored[run], "extractor": two.graphs["dinov2"]}
        content["made_by"] = record("judge", sections, {}, [])
        write_sealed_json(found["judged"][judged(run, "dinov2")], content)
    return found


def test_both_stand_side_by_side_with_what_was_published(two, inputs):
    table = own_table(two, SHOWN, inputs)
    assert table.columns.tolist() == [
        *("Run", "Here", "FID", "FD, dinov2, published", "FD, dinov2", "sFID"),
        *("KID", "KD, dinov2, published", "KD, dinov2"),
        *("Coverage", "Coverage, dinov2, published", "Coverage, dinov2"),
    ]
    assert table["FID"].tolist() == [2, 3, 1]
    assert table["FD, dinov2"].tolist() == [20, 30, 10]
    # Stein et al. 2023, Table 11.
    assert table["FD, dinov2, published"].tolist()[:2] == [203.45, 123.27]
    assert np.isnan(table["FD, dinov2, published"].tolist()[2])


def test_each_has_its_own_intervals(two, inputs):
    table = own_table(two, SHOWN.model_copy(update={"intervals": True}), inputs)
    assert table["FID"].tolist() == ["2.00 [1.50, 2.50]", "3.00 [2.50, 3.50]", "1.00 [0.50, 1.50]"]
    assert table["FD, dinov2"].tolist() == ["20.00 [19.50, 20.50]", "30.00 [29.50, 30.50]", "10.00 [9.50, 10.50]"]


def test_a_group_has_its_interval_over_seeds_by_each(two, inputs):
    grouped = two.model_copy(update={"groups": {"both": ["scale-0", "scale-2"]}})
    section = SHOWN.model_copy(update={"rows": {"both": "both"}, "published": None})
    (row,) = own_table(grouped, section, inputs).to_dict("records")
    assert str(row["FID"]) == str(over_seeds(np.array([2.0, 3.0])))
    assert str(row["FD, dinov2"]) == str(over_seeds(np.array([20.0, 30.0])))


CLAIM = TypeAdapter(ClaimParams).validate_python(
    {"statement": "S.", "source": "T.", "kind": "ranks_alike", "metric": "fid", "runs": list("abcde"), "judge": "j"}
    | {"tau": 0.5}
)


def scored(values, seed, noise):
    parts = np.random.default_rng(seed).standard_normal((len(values), 16)) * 4 * noise
    spreads = [Jackknife(value + each - each.mean(), np.zeros(0)) for value, each in zip(values, parts, strict=True)]
    return [Score({"fid": float(each.values.mean())}, {"fid": each}, 100) for each in spreads]


@pytest.mark.parametrize(
    ("by_judge", "noise", "verdict"),
    [
        ([10, 20, 30, 40, 50], 1e-3, "holds"),
        ([10, 20, 30, 50, 40], 1e-3, "holds"),
        ([50, 40, 30, 20, 10], 1e-3, "does not hold"),
        ([10, 40, 20, 50, 30], 1e-3, "does not hold"),
        ([10, 20, 30, 40, 50], 30.0, "undecided"),
    ],
)
def test_ranks_are_alike_by_kendalls_tau(by_judge, noise, verdict):
    own = [1.0, 2.0, 3.0, 4.0, 5.0]
    scores = dict(zip("abcde", scored(own, 0, noise / 10), strict=True))
    scores |= {f"{run}@j": score for run, score in zip("abcde", scored(by_judge, 1, noise), strict=True)}
    found = verdict_of("key", CLAIM, Evidence(scores=scores))
    assert found.verdict == verdict
    assert found.estimate == pytest.approx(stats.kendalltau(own, by_judge).statistic)
    assert found.risk == (None if verdict == "undecided" else pytest.approx(0.025))


def test_where_noise_hides_the_ranks_tau_is_unknown_and_not_small():
    """Both rank alike in truth; draws of tau, which add noise to noise, would say that they do not."""
    runs, draws = list("abcdefgh"), np.random.default_rng(0)
    claim = CLAIM.model_copy(update={"runs": runs})
    for seed in range(6):
        scores = {}
        for number, suffix in enumerate(("", "@j")):
            values = np.arange(8) * 0.2 + draws.standard_normal(8)
            found = scored(values, 2 * seed + number, 1.0)
            scores |= {f"{run}{suffix}": score for run, score in zip(runs, found, strict=True)}
        found = verdict_of("key", claim, Evidence(scores=scores))
        assert found.low <= found.estimate <= found.high == 1, found
        assert found.verdict == "undecided"
        assert not found.needs


def test_a_claim_reads_both_scores(two, inputs):
    claim = CLAIM.model_copy(update={"runs": RUNS, "judge": "dinov2"})
    found = read_evidence(two, [claim], inputs).scores
    assert {key: score.metrics["fid"] for key, score in found.items()} == {
        **{run: float(number) for number, run in enumerate(RUNS, start=1)},
        **{f"{run}@dinov2": 10.0 * number for number, run in enumerate(RUNS, start=1)},
    }


def test_a_table_says_how_well_the_extractor_that_was_trained_here_does_its_own_task(two, inputs, score, tmp_path):
    def caption(**judge):
        for run in RUNS:
            fact = {"judge": judge} if judge else {}
            write_sealed_json(inputs["metrics"][run], {**score(two, run, 1.0, ["fid"]), **fact})
        stage.run("two", SHOWN, two, inputs, tmp_path / "two", {})
        return (tmp_path / "two.md").read_text(encoding="utf-8").splitlines()[0]

    assert caption() == "Two: By two. Scores are of 400 samples a run. ± is a standard error."
    poor, good = (
        caption(accuracy=0.62, chance=0.1, tells="classes"),
        caption(accuracy=0.97, chance=0.25, tells="rotations"),
    )
    assert "the class of 62% of held-out images (chance: 10%)" in poor
    assert "the rotation of 97% of held-out images (chance: 25%)" in good
    assert ("roughly" in poor, "roughly" in good) == (True, False)
