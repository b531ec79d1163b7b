"""Tables, figures and claims show what there is: any other name is met by one line, with the place and the name."""

import pytest

CLAIM = {"statement": "A is lower than B.", "source": "Table 6"}
LIGHTER = CLAIM | {"kind": "lighter", "model": "classifier-128", "than": "adm-128"}
LOWER = CLAIM | {"kind": "lower", "metric": "fid", "run": "scale-2", "than": "scale-4"}
PANEL = "figures.diversities.figure_9.rows.digits 0-3.GAN"
PAIRS = "figures.neighbours.figure_7"


# Changes of the params file; then what the message must contain: the key's path, the value, what is accepted.
SHOWN = {
    "row of no run": ({"tables.table_16.rows.8": "cat-sweep"}, "tables.table_16", "'cat-sweep'", "cat-swept"),
    "row of no throughput": (
        {"tables.table_7.models.0": "adm-64"},
        "tables.table_7",
        "'adm-64' is not defined",
        "throughput-64",
    ),
    "column of no model": ({"tables.table_13.columns.0": "adm-v"}, "tables.table_13.columns", "'adm-v'", "adm-u"),
    "column of the uniform model": (
        {"tables.table_12.columns.0": "unguided"},
        "tables.table_12.columns",
        "'unguided' is of kind 'uniform'",
    ),
    "scale of no run": ({"tables.table_14.ddim.1": "ddim-9"}, "tables.table_14.ddim", "'ddim-9'", "ddim-1"),
    "scale of a gan": ({"tables.table_14.ddpm.0": "gan-1"}, "tables.table_14.ddpm", "'gan-1' is not among runs"),
    "sweep over a stack": (
        {"tables.appendix_k.rows.0": "stack-540-500"},
        "tables.appendix_k.rows",
        "'stack-540-500' is not among runs",
    ),
    "curve of no run": (
        {"figures.trade_offs.figure_6.curves.GAN.0": "gan-0"},
        "figures.trade_offs.figure_6",
        "'gan-0'",
        "nearest are gan-0_",
    ),
    "temperature of a gan": (
        {"figures.temperatures.figure_11.curves.noise scaling.0": "gan-1"},
        "figures.temperatures.figure_11",
        "'gan-1' is not among runs",
    ),
    "ablation of a gan": (
        {"figures.ablations.figure_5.panels.Architecture.base": ["gan-1"]},
        "figures.ablations.figure_5",
        "'gan-1' is not among runs",
    ),
    "ablation of no run": (
        {"figures.ablations.figure_5.panels.Architecture.base": ["ablation-base-15"]},
        "figures.ablations.figure_5",
        "'ablation-base-15'",
        "ablation-base-100",
    ),
    "neighbours that are a variation": (
        {f"{PAIRS}.blocks": {"title": "variation-256"}},
        PAIRS,
        "'variation-256' is not among neighbours",
        "there are neighbours-guided, neighbours-ddim",
    ),
    "variation that is an interpolation": (
        {"figures.variations.figure_8.study": "interpolation-0"},
        "figures.variations.figure_8.study",
        "'interpolation-0'",
        "there are variation-256",
    ),
    "interpolation that is a variation": (
        {"figures.interpolations.figure_10b.study": "variation-256"},
        "figures.interpolations.figure_10b.study",
        "'variation-256'",
        "interpolation-0, interpolation-1, interpolation-2_5",
    ),
    "likelihood that is a variation": (
        {"figures.likelihoods.likelihood.curves": {"label": "variation-256"}},
        "figures.likelihoods.likelihood",
        "'variation-256' is not among likelihoods",
        "there are likelihood-250, likelihood-4360",
    ),
    "panel of no run": ({PANEL: {"run": "noise-0_97"}}, "figures.diversities.figure_9", "'noise-0_97'", "noise-0_9"),
    "panel of no dataset": (
        {PANEL: {"dataset": "dog"}},
        "figures.diversities.figure_9",
        "'dog'",
        "there are digits, digits-64, bedroom, horse, cat",
    ),
    "dataset beside runs alone": (
        {"figures.comparisons.figure_12.rows": {"row": {"real": {"dataset": "cat"}}}},
        "figures.comparisons.figure_12",
        "'cat' is a dataset",
        "diversities",
    ),
    "random grid of no run": (
        {"figures.random_grids.figure_18.run": "stack"},
        "figures.random_grids.figure_18",
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
        {"claims.new": CLAIM | {"kind": "no_copies", "neighbours": ["variation-256"], "ratio": 0.5, "copies": 0.1}},
        "claims.new",
        "'variation-256'",
        "there are neighbours-guided",
    ),
    "claim on no throughput": (
        {"claims.new": CLAIM | {"kind": "faster", "throughput": "throughput-512"}},
        "claims.new",
        "'throughput-512'",
        "throughput-256",
    ),
    "claim on no model": ({"claims.new": LIGHTER | {"than": "adm-129"}}, "claims.new", "'adm-129'", "adm-128"),
    "claim on the cost of the uniform model": (
        {"claims.new": LIGHTER | {"model": "unguided"}},
        "claims.new",
        "'unguided' is of kind 'uniform'",
    ),
    "claim on a model that is not trained": (
        {"models.fresh": "= models.adm-128", "claims.new": LIGHTER | {"than": "fresh"}},
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


@pytest.mark.parametrize("case", SHOWN)
def test_what_cannot_be_shown_or_claimed_is_refused(refusal, case):
    changes, *expected = SHOWN[case]
    message = refusal(changes)
    assert [part for part in expected if part not in message] == []
