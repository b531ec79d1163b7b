"""What a params file may leave out: defaults, bases, sweeps, and what follows from the rest."""

import re
import string

import pytest
import yaml
from hypothesis import given, reject
from hypothesis import strategies as st

from adm.params import UserError, check, load, read
from adm.params.expansion import write_out
from adm.params.load import write

SMALL = """
datasets: {digits: {source: digits, image_size: 8, num_classes: 10}}
extractors: {vgg: {dataset: digits, side: 16, iterations: 9, least_accuracy: 0.5}}
references: {real: {dataset: digits, num_images: 100}}
models:
  adm: &adm
    kind: diffusion
    dataset: digits
    checkpoints: [100, 20000]
    network: &network {image_size: 8, channels: 32, channel_multiplier: [1, 2], heads: 1, num_classes: 10}
    training: {batch_size: 4}
  judge: {<<: *adm, kind: classifier, checkpoints: [50]}
runs:
  plain: {checkpoint: adm, num_samples: 8}
  guided: {checkpoint: adm-100, num_samples: 8, classifier: judge, gradient_scale: 1}
"""
ADOPTED = "published: {checkpoints: {given: {url: 'https://a.org/a.pt', model: adm, iteration: 7}}}"


@pytest.fixture
def scale(tmp_path):

    def loaded(**files):
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        return load(tmp_path / "params.yaml")

    return loaded


def with_run(entry):
    return SMALL + f"  more: {entry}\n"


def test_what_is_left_out_follows_from_the_rest(scale, tmp_path):
    params = scale(params=SMALL)
    assert params.paths.results == f"results/{tmp_path.name}"
    assert params.references["real"].extractor == "vgg"
    assert {run.reference for run in params.runs.values()} == {"real"}
    assert params.runs["plain"].classifier is None
    assert (params.runs["plain"].sampler, params.runs["plain"].steps) == ("ddpm", "250")
    assert params.likelihoods == params.gans == params.published.samples == {}


def test_a_model_stands_for_its_last_checkpoint(scale):
    params = scale(params=SMALL)
    assert list(params.segments) == ["adm-100", "adm-20k", "judge-50"]
    assert (params.segments["adm-20k"].previous, params.segments["adm-100"].previous) == ("adm-100", "adm-0")
    assert params.runs["plain"].checkpoint == "adm-20k"
    assert params.runs["guided"].classifier == "judge-50"


@pytest.mark.parametrize(
    ("iteration", "checkpoint"), [(20000, "adm-20k"), (100, "adm-100"), (0, "adm-0"), ("null", "adm-20k")]
)
def test_an_iteration_names_a_checkpoint_of_a_model(scale, iteration, checkpoint):
    run = f"{{checkpoint: adm, iteration: {iteration}, num_samples: 8}}"
    assert scale(params=with_run(run)).runs["more"].checkpoint == checkpoint


def test_a_published_checkpoint_is_a_last_one(scale):
    # That of a model without checkpoints of its own, the only one.
    text = SMALL.replace("checkpoints: [100, 20000]", "checkpoints: []").replace("adm-100", "given")
    params = scale(params=text + ADOPTED)
    assert params.runs["plain"].checkpoint == params.runs["guided"].checkpoint == "given"
    assert params.runs["guided"].reference == "real"


def test_of_several_references_of_a_dataset_the_one_with_its_name_is_meant(scale):
    two = SMALL.replace("references: {", "references: {NAME: {dataset: digits, num_images: 50, extractor: vgg}, ")
    two = two.replace(
        "extractors: {", "extractors: {a: {dataset: digits, side: 8, iterations: 9, least_accuracy: 0.5}, "
    )
    params = scale(params=two.replace("NAME", "digits"))
    assert {run.reference for run in params.runs.values()} == {"digits"}
    # Of the first extractor, unless they name another.
    assert [reference.extractor for reference in params.references.values()] == ["vgg", "a"]
    with pytest.raises(UserError, match=r"references: others and real .*'digits'"):
        scale(params=two.replace("NAME", "others"))


BASE = SMALL + "paths: {results: results/of-the-base}\nexecution: {log_every: 7, save_every: 3}\n"
CHANGES = """
base: base.yaml
execution: {save_every: 5}
extractors: null
published: {graphs: {vgg: {url: "https://a.org/a.pb"}}}
models: {adm: {training: {seed: 4}}}
runs: {guided: null, plain: {num_samples: 9}}
"""


def test_a_file_says_what_differs_from_its_base(scale, tmp_path):
    base, params = scale(params=BASE), scale(base=BASE, params=CHANGES)
    assert (params.execution.log_every, params.execution.save_every) == (7, 5)
    assert params.paths.results == f"results/{tmp_path.name}"
    assert (list(params.runs), params.runs["plain"].num_samples) == (["plain"], 9)
    assert (list(params.extractors), list(params.graphs)) == ([], ["vgg"])
    assert params.models["judge"] == base.models["judge"]
    assert params.models["adm"].training == base.models["adm"].training.model_copy(update={"seed": 4})
    assert [file.name for file in read(tmp_path / "params.yaml").files] == ["params.yaml", "base.yaml"]


def test_bases_have_bases_and_sweeps_are_taken_over_or_away(scale):
    grand = with_run("{checkpoint: adm, num_samples: 8, sweep: {seed: [1, 2]}}")
    middle = "base: grand.yaml\nruns: {plain: {seed: 3}}"
    params = scale(grand=grand, base=middle, params="base: base.yaml\nruns: {guided: null}")
    assert (list(params.runs), params.runs["plain"].seed) == (["plain", "more-1", "more-2"], 3)
    params = scale(params="base: base.yaml\nruns: {more: {sweep: null}}")
    assert list(params.runs) == ["plain", "guided", "more"]
    params = scale(params="base: base.yaml\nruns: {more: {sweep: {steps: ['5']}}}")
    assert list(params.runs) == ["plain", "guided", "more-5"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"params": "base: small.yaml\nruns: {giuded: null}", "small": SMALL}, ["runs.giuded: is not there", "guided"]),
        ({"params": "base: params.yaml"}, ["params.yaml: base", "circle"]),
        ({"params": "base: a.yaml", "a": "base: b.yaml", "b": "base: params.yaml"}, ["b.yaml: base", "circle"]),
        ({"params": "base: none.yaml"}, ["params.yaml: base", "none.yaml", "No such file"]),
        ({"params": 'base: "a\\0b"'}, ["base: 'a\\x00b' is not accepted"]),
    ],
)
def test_a_base_that_is_none_is_refused(scale, files, expected):
    with pytest.raises(UserError) as error:
        scale(**files)
    assert [part for part in expected if part not in str(error.value)] == []
    assert str(error.value).isprintable()


def test_a_sweep_writes_an_entry_for_each_combination(scale):
    sweep = "{gradient_scale: [0, 0.5, 2.0], steps: ['10', 'ddim10', '9,6,6']}"
    params = scale(
        params=with_run(f"{{checkpoint: adm, classifier: judge, num_samples: 8, sampler: ddim, sweep: {sweep}}}")
    )
    swept = [f"more-{scale}-{steps}" for scale in ("0", "0_5", "2") for steps in ("10", "ddim10", "9-6-6")]
    assert list(params.runs) == ["plain", "guided", *swept]
    run = params.runs["more-0_5-9-6-6"]
    assert (run.gradient_scale, run.steps, run.sampler, run.checkpoint) == (0.5, "9,6,6", "ddim", "adm-20k")


def test_where_several_runs_may_stand_the_key_of_a_sweep_is_all_of_its(scale):
    runs = with_run('{checkpoint: adm, num_samples: 8, sampler: ddim, sweep: {eta: [0, 0.5], steps: ["3", "4"]}}')
    shown = """
tables: {mine: {rows: [plain, more], metrics: [fid], caption: Some.}}
figures: {mine: {kind: curves, x: eta, y: [fid], curves: {DDIM: [more]}, caption: Some.}}
claims: {mine: {kind: falls, metric: fid, runs: [more], statement: It falls., source: nowhere}}
"""
    params = scale(params=runs + shown)
    every = ["more-0-3", "more-0-4", "more-0_5-3", "more-0_5-4"]
    assert list(params.tables["mine"].rows.values()) == ["plain", *every]
    assert params.figures["mine"].curves == {"DDIM": every}
    assert params.claims["mine"].runs == every


def test_runs_follow_a_swept_model(scale):
    wide = "  wide: {<<: *adm, sweep: {network.heads: [1, 2], training.seed: [0, 3]}}\n"
    text = SMALL.replace("runs:", f"{wide}runs:")
    params = scale(
        params=text
        + """
  last: {checkpoint: wide, num_samples: 8}
  early: {checkpoint: wide, num_samples: 8, sweep: {iteration: [100], seed: [5, 6]}}
"""
    )
    ends = ["1-0", "1-3", "2-0", "2-3"]
    assert [key for key in params.models if key.startswith("wide")] == [f"wide-{end}" for end in ends]
    assert (params.models["wide-2-3"].network.heads, params.models["wide-2-3"].training.seed) == (2, 3)
    assert params.models["wide-2-3"].network.channels == 32
    early = [f"early-{end}-100-{seed}" for end in ends for seed in (5, 6)]
    assert set(params.runs) == {"plain", "guided", *(f"last-{end}" for end in ends), *early}
    assert params.runs["last-2-3"].checkpoint == "wide-2-3-20k"
    assert params.runs["early-1-3-100-6"].checkpoint == "wide-1-3-100"


DATA = yaml.safe_load(SMALL)


def written(entry, others=()):
    """The runs of the small file with one more, written out but not checked."""
    more = {"more": {"checkpoint": "adm", "num_samples": 8, **entry}, **dict(others)}
    return write_out(DATA | {"runs": DATA["runs"] | more}, "results/small")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"sweep": {"seed": 5}}, ["runs.more.sweep.seed", "5"]),
        ({"sweep": {"seed": [{}]}}, ["runs.more.sweep.seed", "{}"]),
        ({"sweep": {"steps": ["!"]}}, ["runs.more.sweep.steps", "'!'"]),
        ({"sweep": {"seed": [1, 1]}}, ["runs.more-1"]),
        ({"sweep": {"seed": [3, "1.2"]}}, ["runs.more-3", "runs.more"]),
        ({"iteration": 100, "checkpoint": "adm-100"}, ["runs.more.checkpoint", "'adm-100'", "iteration"]),
        ({"iteration": 1.5}, ["runs.more.iteration", "1.5"]),
    ],
)
def test_a_sweep_or_an_iteration_that_cannot_be_is_refused(entry, expected):
    with pytest.raises(ValueError, match=r"^runs\.") as error:
        written(entry, {"more-3": {}})
    assert [part for part in expected if part not in str(error.value)] == []


def test_what_a_sweep_gives_is_checked_by_the_key_that_it_gives(scale):
    for entry, place in [
        ("sweep: {seed: [2, one]}", "more-one.seed: 'one'"),
        ("sweep: {gradient: [1, 2]}", "more-1: unknown key 'gradient'"),
        ("iteration: 7", "more.checkpoint"),
    ]:
        with pytest.raises(UserError) as error:
            scale(params=with_run(f"{{checkpoint: adm, num_samples: 8, {entry}}}"))
        assert f"params.yaml: runs.{place}" in str(error.value)


def test_a_model_without_a_last_checkpoint_stands_for_none(scale):
    text = SMALL.replace("checkpoints: [100, 20000]", "checkpoints: []")
    two = ADOPTED.replace("{given: ", "{other: {url: 'https://a.org/b.pt', model: adm, iteration: 8}, given: ")
    for refused in (text, text + two):
        with pytest.raises(UserError, match=r"runs\.plain\.checkpoint: model 'adm'"):
            scale(params=refused)


VALUES = st.one_of(
    st.integers(0, 10**7),
    st.floats(0, 100, allow_subnormal=False),
    st.text(string.ascii_letters + string.digits + ",._ ", max_size=6),
    st.lists(st.integers(0, 99), max_size=4),
    st.booleans(),
)


@given(values=st.lists(VALUES, min_size=1, max_size=4), added=VALUES, place=st.integers(0, 4))
def test_adding_a_value_to_a_sweep_renames_no_entry(values, added, place):
    def seeds(swept):
        return {key: run["seed"] for key, run in written({"sweep": {"seed": swept}})["runs"].items() if "seed" in run}

    try:
        few, many = seeds(values), seeds([*values[:place], added, *values[place:]])
    except ValueError:  # two values that give one key, or one that gives none
        reject()
    assert few.items() <= many.items()
    assert len(many) == len(values) + 1
    assert all(re.fullmatch(r"more-[a-z0-9_-]+", key) for key in many)


def test_urls_without_a_scheme_are_paths_under_the_root(scale):
    published = """
published:
  root: https://a.org/files/
  checkpoints:
    given: {url: deep/a.pt, model: adm, iteration: 7}
    other: {url: "file:///b.pt", model: adm, iteration: 8}
"""
    found = scale(params=SMALL + published).published
    assert found.checkpoints["given"].url == "https://a.org/files/deep/a.pt"
    assert found.checkpoints["other"].url == "file:///b.pt"
    mirrored = scale(base=SMALL + published, params="base: base.yaml\npublished: {root: 'file:///mirror/'}").published
    assert mirrored.checkpoints["given"].url == "file:///mirror/deep/a.pt"


@pytest.mark.parametrize("root", ["5", "files/", "https://a.org/files"])
def test_a_root_that_is_no_url_of_a_folder_is_refused(scale, root):
    with pytest.raises(UserError, match=r"params\.yaml: published\.root: ") as error:
        scale(params=SMALL + f"published: {{root: {root}}}\n")
    assert str(yaml.safe_load(root)) in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scales/fashion/params", "scales/paper/params", "scales/released/params"])
def test_the_written_out_file_says_the_same(root, tmp_path, name):
    params = load(root / f"{name}.yaml")
    (tmp_path / "params.yaml").write_text(write(params))
    again = load(tmp_path / "params.yaml")
    assert again == params
    assert write(again) == write(params)


def test_what_is_read_is_left_as_it_is(root):
    data = read(root / "scales" / "paper" / "params.yaml").data
    before = yaml.safe_dump(data)
    check(data, "params.yaml")
    assert yaml.safe_dump(data) == before


def test_a_model_as_a_guide_means_its_last_checkpoint_and_scales_are_swept():
    data = {
        "models": {"big": {"checkpoints": [5, 10]}, "small": {"checkpoints": [3]}},
        "runs": {"auto": {"checkpoint": "big", "guide": {"checkpoint": "small"}, "sweep": {"guide.scale": [1.5, 2]}}},
    }
    runs = write_out(data, "results/x")["runs"]
    assert {key: (run["checkpoint"], run["guide"]) for key, run in runs.items()} == {
        "auto-1_5": ("big-10", {"checkpoint": "small-3", "scale": 1.5}),
        "auto-2": ("big-10", {"checkpoint": "small-3", "scale": 2}),
    }
