"""What a params file says once for several entries: defaults, likeness, variants, roles, and grids of samples."""

import re

import pytest

from adm.paper import claims as claims_of_paper
from adm.params import UserError, load
from adm.pipeline import Pipeline

SMALL = """
datasets: {digits: {source: digits, image_size: 8, num_classes: 10}}
extractors: {vgg: {dataset: digits, side: 16, iterations: 9, least_accuracy: 0.5}}
references: {real: {dataset: digits, num_images: 100}}
defaults:
  models:
    kind: diffusion
    dataset: digits
    network: {image_size: 8, channels: 32, channel_multiplier: [1, 2], heads: 1, num_classes: 10}
    training: {batch_size: 4, seed: 1}
  runs: {num_samples: 8, steps: 25}
models:
  adm: {checkpoints: [100, 200]}
  judge: {kind: classifier, checkpoints: [50]}
runs:
  plain: {checkpoint: adm}
"""
ABLATION = """
models:
  ablation:
    checkpoints: [10, 20]
    network: {channels: 64}
    variants:
      base: {}
      deep: {network.depth: 1, training: {seed: 5}}
"""


@pytest.fixture
def scale(tmp_path):
    """Load a params file: a base of the small one and what differs from it, or other files by their names."""

    def loaded(params="", **files):
        for name, content in {"small": SMALL, "params": f"base: small.yaml\n{params}", **files}.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        return load(tmp_path / "params.yaml")

    return loaded


@pytest.fixture
def refusal(scale):
    """The one line that refuses a file, after the file's name."""

    def message(params="", **files):
        with pytest.raises(UserError) as error:
            scale(params, **files)
        line = str(error.value)
        assert line.isprintable()
        assert len(line) < 500
        return re.sub(r"^\S+/", "", line)

    return message


def test_defaults_are_of_every_entry_whose_own_fields_win(scale):
    params = scale("models: {adm: {network: {depth: 3}}, other: {checkpoints: [7], training: {seed: 2}}}")
    assert (params.models["adm"].network.depth, params.models["adm"].network.channels) == (3, 32)
    assert params.models["other"].training == params.models["adm"].training.model_copy(update={"seed": 2})
    assert params.runs["plain"].steps == "25"
    assert scale("defaults: {runs: {steps: 9}}").runs["plain"].steps == "9"
    assert scale("defaults: {runs: null}\nruns: {plain: {num_samples: 9}}").runs["plain"].steps == "250"


def test_an_entry_takes_the_defaults_that_its_kind_has(scale):
    params = scale("defaults: {models: {objective: vlb}}")
    assert params.models["adm"].objective == "vlb"
    assert params.models["judge"].kind == "classifier"
    # Of what sections hold, too: a classifier's noise has no variance.
    params = scale("defaults: {models: {objective: simple, noise: {schedule: cosine, variance: beta}}}")
    assert params.models["adm"].noise.variance == "beta"
    assert params.models["judge"].noise.schedule == "cosine"


def test_parts_of_published_files_have_defaults_too(scale):
    published = "published: {graphs: {a: {url: 'https://a.org/a.pb'}, b: {like: a, threads: 2}}}"
    params = scale(f"defaults: {{published: {{graphs: {{threads: 3, feature_batch: 5}}}}}}\n{published}")
    graphs = params.published.graphs
    assert [(graph.threads, graph.feature_batch, graph.url) for graph in graphs.values()] == [
        (3, 5, "https://a.org/a.pb"),
        (2, 5, "https://a.org/a.pb"),
    ]


def test_an_entry_is_like_another_in_depth(scale):
    params = scale("""
models:
  adm: {network: {depth: 3}, training: {averages: [0.05]}}
  wide: {like: adm, network: {channels: 64}}
runs:
  swept: {checkpoint: adm, sampler: ddim, sweep: {seed: [1, 2]}}
  alike: {like: swept, steps: 5}
  third: {like: alike, sampler: ddpm}
  more: {like: third, sampler: ddim, sweep: {eta: [0, 1]}}
""")
    assert (params.models["wide"].network.depth, params.models["wide"].network.channels) == (3, 64)
    assert params.models["wide"].training == params.models["adm"].training
    assert {"swept-1", "swept-2", "alike", "third", "more-0", "more-1"} <= set(params.runs)
    assert (params.runs["alike"].sampler, params.runs["alike"].steps, params.runs["alike"].seed) == ("ddim", "5", 0)
    assert (params.runs["third"].sampler, params.runs["third"].steps) == ("ddpm", "5")


def test_a_change_of_an_entry_changes_all_that_are_like_it(scale):
    base = SMALL.replace("  plain:", "  alike: {like: plain, seed: 3}\n  plain:")
    params = scale("runs: {plain: {steps: 7}}", small=base)
    assert (params.runs["alike"].steps, params.runs["alike"].seed) == ("7", 3)


def test_runs_follow_the_variants_of_a_model_and_stand_in_lists(scale):
    params = scale(
        ABLATION
        + """
runs:
  all: {checkpoint: ablation, sweep: {iteration: [10, 20]}}
  last: {checkpoint: ablation, variants: {ddim: {sampler: ddim}, ddpm: {}}}
tables:
  whole: {rows: [all, last], metrics: [fid], caption: All.}
  part: {rows: [all-deep, last-ddim], metrics: [fid], caption: Some.}
"""
    )
    every = ["all-base-10", "all-deep-10", "all-base-20", "all-deep-20"]
    ddim, ddpm = ["last-ddim-base", "last-ddim-deep"], ["last-ddpm-base", "last-ddpm-deep"]
    assert set(params.runs) == {"plain", *every, *ddim, *ddpm}
    deep = params.models["ablation-deep"]
    assert (deep.network.depth, deep.network.channels, deep.training.seed, deep.training.batch_size) == (1, 64, 5, 4)
    assert params.models["ablation-base"].network.depth == 2
    assert params.runs["all-deep-10"].checkpoint == "ablation-deep-10"
    assert params.runs["last-ddim-base"].checkpoint == "ablation-base-20"
    assert list(params.tables["whole"].rows) == [*every, *ddim, *ddpm]
    assert list(params.tables["part"].rows) == ["all-deep-10", "all-deep-20", *ddim]


def test_every_variant_is_swept_and_others_are_like_what_has_them(scale):
    params = scale(
        ABLATION
        + """    sweep: {network.heads: [1, 2]}
  single: {like: ablation, checkpoints: [6]}
runs: {all: {checkpoint: ablation}, one: {checkpoint: ablation-deep}}
tables: {mine: {rows: [all-deep], metrics: [fid], caption: Some.}}
"""
    )
    swept = [f"ablation-{name}-{heads}" for name in ("base", "deep") for heads in (1, 2)]
    assert list(params.models) == ["adm", "judge", *swept, "single"]
    assert params.models["ablation-deep-2"].network.heads == 2
    assert params.models["single"].network == params.models["ablation-base-1"].network
    assert {"all-base-1", "all-deep-2", "one-1", "one-2"} <= set(params.runs)
    assert list(params.tables["mine"].rows) == ["all-deep-1", "all-deep-2"]


def test_a_file_changes_adds_and_removes_variants_of_its_base(scale):
    base = SMALL.replace("models:\n  adm:", f"{ABLATION.strip()}\n  adm:")
    changes = "models: {ablation: {variants: {deep: null, base: {training.seed: 9}, wide: {network.channels: 96}}}}"
    params = scale(changes, small=base)
    assert {"ablation-base", "ablation-wide"} == {key for key in params.models if key.startswith("ablation")}
    assert params.models["ablation-base"].training.seed == 9
    with pytest.raises(UserError, match=r"models\.ablation-base: models\.ablation\.variants\.base gives this"):
        scale("models: {ablation-base: {training: {seed: 9}}}", small=base)


def test_a_variant_may_have_a_sweep_of_its_own(scale):
    params = scale(ABLATION.replace("base: {}", "base: {sweep: {network.heads: [1, 2]}}"))
    assert [key for key in params.models if key.startswith("abl")] == [
        "ablation-base-1",
        "ablation-base-2",
        "ablation-deep",
    ]
    assert params.models["ablation-base-2"].network.heads == 2


def test_variants_may_have_seeds(scale):
    params = scale(ABLATION.replace("base: {}", "base: {seeds: [1, 2]}") + "runs: {all: {checkpoint: ablation}}\n")
    assert params.groups == {"all-base": ["all-base-seed-1", "all-base-seed-2"]}
    assert "all-deep" in params.runs


def test_a_figure_of_one_run_is_a_grid(scale):
    figures = (
        "figures: {a: {run: plain, caption: A.}, b: {like: a, classes: [1, 2]}, c: {run: plain, rows: 1, columns: 2, "
    )
    params = scale(f"defaults: {{figures: {{rows: 2, columns: 3}}}}\n{figures}caption: C.}}}}")
    assert [figure.kind for figure in params.figures.values()] == ["random_grid", "class_grid", "random_grid"]
    assert (params.figures["a"].rows, params.figures["a"].columns) == (2, 3)
    assert (params.figures["b"].classes, params.figures["b"].columns) == ([1, 2], 3)
    assert (params.figures["c"].rows, params.figures["c"].columns) == (1, 2)


GUIDED = """
runs:
  scale: {checkpoint: adm, classifier: judge, sweep: {gradient_scale: [0, 1, 2]}}
  best: {like: scale, gradient_scale: 3}
"""


def test_a_claim_whose_roles_are_bound_needs_no_entry(scale):
    bound = "roles: {first: best, gan: plain, unguided: scale-0, guided: scale}"
    claims = scale(f"{GUIDED}{bound}").claims
    tested = {key: claim for key, claim in claims.items() if claim.kind != "none"}
    assert set(tested) == {
        *("gan-fid", "gan-sfid", "gan-recall", "gan-precision", "guided-best"),
        *("guidance-is", "guidance-precision", "guidance-recall"),
    }
    assert (tested["gan-fid"].run, tested["gan-fid"].than) == ("best", "plain")
    assert tested["guidance-is"].runs == ["scale-0", "scale-1", "scale-2"]
    assert tested["gan-fid"].statement == claims_of_paper()["gan-fid"]["statement"]
    # In the paper's order, with those that nothing can test.
    assert list(claims) == [key for key in claims_of_paper() if key in claims]
    assert {key for key, claim in claims_of_paper().items() if "none" in claim} == set(claims) - set(tested)


def test_an_entry_overrides_roles_gives_a_reason_or_leaves_a_claim_out(scale):
    bound = "roles: {first: best, gan: plain, unguided: scale-0}\n"
    claims = scale(f"""{GUIDED}{bound}claims:
  gan-sfid: {{than: scale-2}}
  gan-recall: {{none: of no matter}}
  gan-precision: null
  ddim-worse: {{run: best, than: plain}}
""").claims
    assert (claims["gan-fid"].run, claims["gan-fid"].than) == ("best", "plain")
    assert (claims["gan-sfid"].run, claims["gan-sfid"].than) == ("best", "scale-2")
    assert claims["gan-recall"].none == "of no matter"
    assert "gan-precision" not in claims
    assert claims["ddim-worse"].than == "plain"


def test_what_nothing_can_be_is_a_reason_and_a_scale_binds_anew(scale):
    base = SMALL + GUIDED.replace("\nruns:\n", "") + "roles: {first: best, gan: plain, free: {none: not trained}}\n"
    claims = scale(small=base).claims
    assert claims["free-is"].none == "not trained"
    claims = scale("roles: {gan: scale-1, free: scale}", small=base).claims
    assert claims["gan-fid"].than == "scale-1"
    assert claims["free-is"].runs == ["scale-0", "scale-1", "scale-2"]
    assert "free-is" not in scale("roles: {free: null}", small=base).claims


BAD = {
    "unknown section": ("runz: {plain: {num_samples: 8}}", "runz: ", "runs"),
    "default of an unknown section": ("defaults: {runz: {seed: 1}}", "defaults.runz: ", "runs"),
    "default of an unknown field": ("defaults: {runs: {num_sample: 8}}", "defaults.runs.num_sample: ", "num_samples"),
    "default sweep": ("defaults: {runs: {sweep: {seed: [1]}}}", "defaults.runs.sweep: "),
    "like nothing": ("runs: {more: {like: plian}}", "runs.more.like: 'plian'", "plain"),
    "circle": ("runs: {a: {like: b}, b: {like: c}, c: {like: a}}", "runs.c.like: 'a' is a circle, a -> b -> c -> a"),
    "variant that is an entry": (
        "models: {adm: {variants: {a: {}}}, adm-a: {}}",
        "models.adm-a: models.adm.variants.a gives this key, too",
    ),
    "run of no model": ("runs: {more: {checkpoint: adn}}", "runs.more.checkpoint: 'adn'", "adm"),
    "run of nothing": ("runs: {more: {seed: 1}}", "runs.more.checkpoint: is missing"),
    "variant of an unknown field": (
        "models: {adm: {variants: {a: {network.chanels: 3}}}}",
        "models.adm-a.network: unknown key 'chanels'",
        "channels",
    ),
    "variant that is nothing": (
        "models: {new: {like: adm, variants: {a: null}}}",
        "models.new.variants: {'a': None} ",
        "{}",
    ),
    "unknown role": ("roles: {frist: plain}", "roles.frist: ", "first"),
    "role of several where one is needed": (
        "roles: {stack: [plain, other], second: plain}",
        "roles.stack: ",
        "claims.stack-beats-guidance.run",
    ),
    "role of a run that is not there": ("roles: {first: plain, gan: plian}", "claims.gan-fid.than: 'plian'", "plain"),
    "checkpoint that is no list": ("models: {adm: {checkpoints: 2180}}", "models.adm.checkpoints: 2180 ", "[2180]"),
    "number that YAML reads as text": (
        "models: {adm: {training: {learning_rate: 1e-4}}}",
        "models.adm.training.learning_rate: '1e-4' ",
        "write 0.0001",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_told_in_one_line_at_its_place(case, refusal):
    params, place, *expected = case
    message = refusal(params)
    assert message.startswith(f"params.yaml: {place}")
    assert [part for part in expected if part not in message] == []


def test_steps_are_a_number_or_a_text(scale):
    params = scale("runs: {plain: {steps: 10}, more: {checkpoint: adm, sweep: {steps: [5, '3,2', ddim4]}}}")
    assert {key: run.steps for key, run in params.runs.items()} == {
        "plain": "10",
        "more-5": "5",
        "more-3-2": "3,2",
        "more-ddim4": "ddim4",
    }
    with pytest.raises(UserError, match=r"runs\.plain\.steps: True"):
        scale("runs: {plain: {steps: true}}")


def test_the_file_of_the_page_does_all_that_it_says(root, tmp_path):
    (example,) = re.findall(
        r"\A[^`]*```yaml\n(.*?)```", (root / "docs/params.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "params.yaml").write_text(example)
    kinds = {job.kind.name for job in Pipeline(load(tmp_path / "params.yaml")).jobs.values()}
    assert {"train", "sample", "evaluate", "table", "figure"} <= kinds
    assert any(run.classifier for run in load(tmp_path / "params.yaml").runs.values())
