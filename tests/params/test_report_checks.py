"""Tables, figures and claims show what there is: any other name is met by one line, with the place and the name."""

import pytest

CLAIM = {"statement": "A is lower than B.", "source": "Table 6"}
LIGHTER = CLAIM | {"kind": "lighter", "model": "classifier-128", "than": "adm-128"}
LOWER = CLAIM | {"kind": "lower", "metric": "fid", "run": "scale-2", "than": "scale-4"}
PANEL = "figures.figure_9.rows.digits 0-3.GAN"
PAIRS = "figures.figure_7"


def _without(value):
    """A mapping without the keys that are `...`."""
    return {key: of for key, of in value.items() if of is not ...} if isinstance(value, dict) else value


# Changes of the params file; then what the message must contain: the key's path, the value, what is accepted.
SHOWN = {
    "row of no run": ({"tables.table_16.rows.8": "cat-sweep"}, "tables.table_16.rows: 'cat-sweep'", "cat-swept"),
    "row of no throughput": (
        {"tables.table_7.models.0": "adm-64"},
        "tables.table_7.models",
        "'adm-64' is not among throughput",
        "throughput-64",
    ),
    "column of no model": ({"tables.table_13.columns.0": "adm-v"}, "tables.table_13.columns", "'adm-v'", "adm-u"),
    "scale of no run": ({"tables.table_14.ddim.1": "ddim-9"}, "tables.table_14.ddim", "'ddim-9'", "ddim-1"),
    "scale of a gan": ({"tables.table_14.ddpm.0": "gan-1"}, "tables.table_14.ddpm", "'gan-1' is not among runs"),
    "sweep over a stack": (
        {"tables.appendix_k.rows.0": "stack-540-500"},
        "tables.appendix_k.rows",
        "'stack-540-500' is not among runs",
    ),
    "curve of no run": (
        {"figures.figure_6.curves.GAN.0": "gan-0"},
        "figures.figure_6",
        "'gan-0'",
        "nearest are gan-0_",
    ),
    "temperature of a gan": (
        {"figures.figure_11.curves.noise scaling.0": "gan-1"},
        "figures.figure_11",
        "'gan-1' has no temperature",
    ),
    "ablation of a gan": (
        {"figures.figure_5.panels.Architecture.base": ["gan-1"]},
        "figures.figure_5",
        "'gan-1' is not among runs",
    ),
    "ablation of no run": (
        {"figures.figure_5.panels.Architecture.base": ["ablation-base-15"]},
        "figures.figure_5",
        "'ablation-base-15'",
        "ablation-base-100",
    ),
    "neighbours that are an interpolation": (
        {f"{PAIRS}.blocks": {"title": "interpolation-0"}},
        PAIRS,
        "'interpolation-0' is not among neighbours",
        "there are neighbours-guided, neighbours-ddim",
    ),
    "interpolation that is a likelihood": (
        {"figures.figure_10b.study": "likelihood-250"},
        "figures.figure_10b",
        "'likelihood-250'",
        "interpolation-0, interpolation-1, interpolation-2_5",
    ),
    "likelihood that is an interpolation": (
        {"figures.likelihood.curves": {"label": "interpolation-0"}},
        "figures.likelihood",
        "'interpolation-0' is not among likelihoods",
        "there are likelihood-250, likelihood-4360",
    ),
    "panel of no run": ({PANEL: {"run": "noise-0_97"}}, "figures.figure_9", "'noise-0_97'", "noise-0_9"),
    "panel of no dataset": (
        {PANEL: {"dataset": "dog"}},
        "figures.figure_9",
        "'dog'",
        "there are digits, digits-64, bedroom, horse, cat",
    ),
    "random grid of no run": (
        {"figures.figure_18.run": "stack"},
        "figures.figure_18",
        "'stack'",
        "stack-540-500",
    ),
    "claim on no run": ({"claims.new": LOWER | {"run": "scale-9"}}, "claims.new", "'scale-9'", "scale-2"),
    "claim on runs of unequal size": (
        {"claims.new": LOWER | {"than": "ablation-base-400"}},
        "claims.new",
        "'scale-2' has 400, 'ablation-base-400' has 200 samples",
        "must be one",
    ),
    "claim on no interpolation": (
        {"claims.new": CLAIM | {"kind": "reconstruction", "interpolation": "interpolation-3", "better": "all"}},
        "claims.new",
        "'interpolation-3'",
        "there are interpolation-0",
    ),
    "claim on no neighbours": (
        {"claims.new": CLAIM | {"kind": "no_copies", "neighbours": ["interpolation-0"], "ratio": 0.5, "copies": 0.1}},
        "claims.new",
        "'interpolation-0'",
        "there are neighbours-guided",
    ),
    "claim on no throughput": (
        {"claims.new": CLAIM | {"kind": "faster", "throughput": "throughput-512"}},
        "claims.new",
        "'throughput-512'",
        "throughput-256",
    ),
    "claim on no model": ({"claims.new": LIGHTER | {"than": "adm-129"}}, "claims.new", "'adm-129'", "adm-128"),
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
        "seed of 'interpolation-1' is 1",
        "'interpolation-0' is 0",
    ),
}


OWN = {"rows": ["gan-1", "scale-2"], "metrics": ["fid", "kid"], "caption": "Mine."}
MINE_OF = {"kind": "ablations", "x": "evaluations", "caption": "Mine."}
MINE = {"kind": "curves", "x": "iterations", "y": ["kid"], "curves": {"a": ["scale-2", "scale-4"]}, "caption": "Mine."}

OWN_AND_SHORT = {
    "too few rows": (
        {"tables.table_8.rows": ["adm-128-250"]},
        "tables.table_8.rows: has 1 entries, but the paper's table has 5",
    ),
    "too few models": ({"tables.table_7.models": ["throughput-64"]}, "tables.table_7.models: has 1", "table has 5"),
    "too many columns": (
        {"tables.table_13.columns": ["adm-u", "adm-u", "adm-u"]},
        "tables.table_13.columns: has 3 entries, but the paper's table has 2",
    ),
    "too few scales": ({"tables.table_14.ddim": ["ddim-1"]}, "tables.table_14.ddim: has 1", "table has 4"),
    "too few sweeps": ({"tables.appendix_k.rows": ["scale-2"]}, "tables.appendix_k.rows: has 1", "table has 32"),
    "bare words": (
        {"tables.table_8.rows.0": "no time for it"},
        "tables.table_8.rows.0: 'no time for it' is not accepted; write a key, or {none: why there is none}",
    ),
    "no words": ({"tables.table_8.rows.0": {"none": 3}}, "tables.table_8.rows.0: {'none': 3} is not accepted"),
    "another kind of the paper's table": ({"tables.table_8.kind": "compute"}, "tables.table_8.kind", "'runs'"),
    "field of no table": ({"tables.table_8.row": []}, "tables.table_8: unknown key 'row'", "rows"),
    "own table of no run": ({"tables.mine": OWN | {"rows": ["gan-9"]}}, "tables.mine.rows.gan-9: 'gan-9'", "gan-"),
    "own table of a run twice": ({"tables.mine": OWN | {"rows": ["gan-1", "gan-1"]}}, "tables.mine.rows", "twice"),
    "own table of no metric": (
        {"tables.mine": OWN | {"metrics": ["kidd"]}},
        "tables.mine.metrics.0: 'kidd' is no metric; there are fid, sfid",
    ),
    "own table without a caption": ({"tables.mine": OWN | {"caption": ...}}, "tables.mine.caption: is missing"),
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
    "evaluations of what no denoiser samples": (
        {
            "figures.mine": {
                "kind": "ablations",
                "x": "evaluations",
                "panels": {"a": {"b": ["gan-1"]}},
                "caption": "Mine.",
            }
        },
        "figures.mine.panels.a.b: 'gan-1'",
        "not among runs",
    ),
    "curves of no metric": ({"figures.mine": MINE | {"y": ["kidd"]}}, "figures.mine.y.0: 'kidd' is no metric"),
    "trade-off of one metric": (
        {"figures.figure_6.panels": [["fid"]]},
        "figures.figure_6.panels.0: ['fid'] is not accepted",
    ),
    "own figure of a class that is not there": (
        {
            "figures.mine": {
                "kind": "class_grid",
                "run": "scale-2",
                "classes": [10],
                "columns": 2,
                "caption": "Mine.",
            }
        },
        "figures.mine.classes: 10 is no class",
    ),
}
SHOWN |= {
    case: ({key: _without(value) for key, value in changes.items()}, *expected)
    for case, (changes, *expected) in OWN_AND_SHORT.items()
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
