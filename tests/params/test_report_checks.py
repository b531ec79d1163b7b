"""Tables, figures and claims show what there is: any other name is met by one line, with the place and the name."""

import pytest

CLAIM = {"statement": "A is lower than B.", "source": "Table 6"}
LIGHTER = CLAIM | {"kind": "lighter", "model": "classifier-128", "than": "adm-128"}
LOWER = CLAIM | {"kind": "lower", "metric": "fid", "run": "scale-2", "than": "scale-4"}
SIMILAR = CLAIM | {"kind": "similar", "metric": "fid", "runs_a": ["scale-2"], "runs_b": ["again"], "within": 1.0}
OWN = {"rows": ["gan-1", "scale-2"], "metrics": ["fid", "kid"], "caption": "Mine."}
MINE = {"kind": "curves", "x": "iterations", "y": ["kid"], "curves": {"a": ["scale-2", "scale-4"]}, "caption": "Mine."}


# Changes of the params file; then what the message must contain: the key's path, the value, what is accepted.
SHOWN = {
    "row of no run": ({"tables.table_16.rows.8": "cat-sweep"}, "tables.table_16.rows: 'cat-sweep'", "cat-swept"),
    "scale of a gan": ({"tables.table_14.ddpm.0": "gan-1"}, "tables.table_14.ddpm", "'gan-1' is not among runs"),
    "ablation of a gan": (
        {"figures.figure_5.panels.Architecture.base": ["gan-1"]},
        "figures.figure_5",
        "'gan-1' is not among runs",
    ),
    "neighbours that are an interpolation": (
        {"figures.figure_7.blocks": {"title": "interpolation-0"}},
        "figures.figure_7",
        "'interpolation-0' is not among neighbours",
        "there are neighbours-guided, neighbours-ddim",
    ),
    "claim on runs of unequal size": (
        {"claims.new": LOWER | {"than": "ablation-base-400"}},
        "claims.new",
        "'scale-2' has 400, 'ablation-base-400' has 200 samples",
        "must be one",
    ),
    "claim on another seed alone": (
        {"runs.again": "= runs.scale-2", "runs.again.seed": 9, "claims.new": LOWER | {"than": "again"}},
        "claims.new: 'scale-2' and 'again' are of one configuration",
    ),
    "claim on micro-batches alone": (
        {"runs.again": "= runs.scale-2", "runs.again.micro_batch": 9, "claims.new": SIMILAR},
        "claims.new: 'scale-2' and 'again' are of one configuration",
    ),
    "claim on a run and itself": ({"claims.new": LOWER | {"than": "scale-2"}}, "'scale-2' and 'scale-2' are of one"),
    "claim on a model that is not trained": (
        {"models.fresh": "= models.adm-128", "models.fresh.checkpoints": [], "claims.new": LIGHTER | {"than": "fresh"}},
        "claims.new",
        "'fresh' is trained by no segment",
    ),
    "training of a gan": (
        {
            "claims.new": CLAIM
            | {"kind": "beats_early", "metric": "fid", "runs": ["gan-0_9", "scale-2"], "than": "gan-1", "by_share": 0.1}
        },
        "claims.new.runs",
        "'gan-0_9' is not among runs and upsampled_runs",
    ),
    "reconstructions of other images": (
        {
            "interpolations.interpolation-1.seed": 1,
            "claims": {
                "new": CLAIM
                | {"kind": "reconstruction_order", "interpolations": ["interpolation-0", "interpolation-1"]}
            },
        },
        "claims.new.interpolations",
        "seed is 1",
        "'interpolation-0' has 0",
    ),
    "too few rows": ({"tables.table_8.rows": ["adm-128-250"]}, "tables.table_8.rows: has 1 entries", "table has 5"),
    "too few models": ({"tables.table_7.models": ["throughput-64"]}, "tables.table_7.models: has 1", "table has 5"),
    "too many columns": ({"tables.table_13.columns": ["adm-u"] * 3}, "tables.table_13.columns: has 3", "table has 2"),
    "too few scales": ({"tables.table_14.ddim": ["ddim-1"]}, "tables.table_14.ddim: has 1", "table has 4"),
    "bare words": (
        {"tables.table_8.rows.0": "no time for it"},
        "tables.table_8.rows.0: 'no time for it' is not accepted; write a key, or {none: why there is none}",
    ),
    "no words": ({"tables.table_8.rows.0": {"none": 3}}, "tables.table_8.rows.0: {'none': 3} is not accepted"),
    "another kind of the paper's table": ({"tables.table_8.kind": "compute"}, "tables.table_8.kind", "'runs'"),
    "field of no table": ({"tables.table_8.row": []}, "tables.table_8: unknown key 'row'", "rows"),
    "own table of a run twice": ({"tables.mine": OWN | {"rows": ["gan-1", "gan-1"]}}, "tables.mine.rows", "twice"),
    "own table of no metric": (
        {"tables.mine": OWN | {"metrics": ["kidd"]}},
        "tables.mine.metrics.0: 'kidd' is no metric; there are fid, sfid",
    ),
    "own table without a caption": ({"tables.mine": OWN, "tables.mine.caption": ...}, "tables.mine.caption: is miss"),
    "figure of no kind": (
        {"figures.figure_18.kind": "randomgrid"},
        "figures.figure_18.kind: 'randomgrid' is not accepted; accepted are ablations, trade_offs",
    ),
    "figure without a kind": ({"figures.figure_8.kind": ...}, "figures.figure_8.kind: is missing"),
    "own figure without a caption": ({"figures.mine": MINE | {"caption": None}}, "figures.mine.caption: is missing"),
    "curves along no axis": ({"figures.mine": MINE | {"x": "steps"}}, "figures.mine.x", "'iterations'"),
    "curves along what runs have not": (
        {"figures.mine": MINE | {"x": "truncation"}},
        "figures.mine.x: run 'scale-2' has no truncation",
    ),
    "curves of no metric": ({"figures.mine": MINE | {"y": ["kidd"]}}, "figures.mine.y.0: 'kidd' is no metric"),
    "trade-off of one metric": (
        {"figures.figure_6.panels": [["fid"]]},
        "figures.figure_6.panels.0: ['fid'] is not accepted",
    ),
    "own figure of a class that is not there": (
        {
            "figures.mine": {"kind": "class_grid", "run": "scale-2", "classes": [10], "columns": 2}
            | {"caption": "Mine."}
        },
        "figures.mine.classes: 10 is no class",
    ),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_cannot_be_shown_or_claimed_is_refused(refusal, case):
    changes, *expected = SHOWN[case]
    message = refusal(changes)
    assert [part for part in expected if part not in message] == []


def test_what_a_scale_leaves_out_is_not_there(checked):
    found = checked({"tables": {}, "figures": {}, "claims": {}})
    assert (found.tables, found.figures, found.claims) == ({}, {}, {})
    some = checked({"tables.table_8": ..., "figures.figure_18": ..., "claims.adagn": ...})
    assert "table_8" not in some.tables
    assert "figure_18" not in some.figures
    assert "adagn" not in some.claims


def test_tables_figures_and_claims_of_ones_own_stand_under_any_key(checked):
    claim = LOWER | {"statement": "Mine."}
    found = checked({"tables.mine": OWN, "figures.mine": MINE, "claims.mine": claim})
    assert found.tables["mine"].rows == {"gan-1": "gan-1", "scale-2": "scale-2"}
    assert found.figures["mine"].y == ["kid"]
    assert found.claims["mine"].statement == "Mine."


def test_that_another_seed_gives_much_the_same_may_be_claimed(checked):
    checked({"runs.again": "= runs.scale-2", "runs.again.seed": 9, "claims.new": SIMILAR})
