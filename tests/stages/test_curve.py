"""The scores of a curve are those that its runs' own jobs would write; nothing else of its runs is kept."""

import json

import pytest

from adm.params import UserError, load
from adm.pipeline import Pipeline
from adm.report.metrics import read_metrics
from adm.stages import curve, evaluate

PARAMS = """\
paths: {results: results/tiny}
datasets:
  x: {source: digits, image_size: 8, num_classes: 10}
extractors:
  g: {dataset: x, side: 16, iterations: 5, least_accuracy: 0.0}
models:
  m: &m
    kind: diffusion
    dataset: x
    network: &n {image_size: 8, channels: 32, channel_multiplier: [1], depth: 1, attention_resolutions: [], heads: 1}
    noise: {timesteps: 20, schedule: cosine}
    training: {batch_size: 4}
  k: {<<: *m, kind: classifier, network: {<<: *n, num_classes: 10}}
references:
  x: {dataset: x, num_images: 60}
runs:
  a: {checkpoint: m-0, classifier: k-0, steps: "3", num_samples: 20, micro_batch: 10, reference: x,
    curve: line, sweep: {gradient_scale: [0, 1]}}
"""
RUNS = ["a-0", "a-1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("curve")


@pytest.fixture
def written(folder, adm, monkeypatch):
    """The working folder: two params files of the same runs, and what both are made from."""
    monkeypatch.chdir(folder)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "alone.yaml").write_text(PARAMS.replace("curve: line, ", ""))
    made_of = [
        "prepare x",
        "extractor g",
        "init m",
        "init k",
        "features dataset/x",
        "reference x",
        "features reference/x",
    ]
    for command in made_of:
        if not (folder / "results/tiny/features/reference/x").exists():
            assert adm(*command.split())[0] == 0, command
    return folder


@pytest.fixture
def curved(written, adm):
    """The scores of the curve."""
    path = written / "results/tiny/curves/line.json"
    if not path.exists():
        assert adm("curve", "line")[0] == 0
    return path


def test_the_graph_has_one_job_for_a_curve(written):
    curved, alone = (Pipeline(load(written / name)) for name in ("params.yaml", "alone.yaml"))
    own = {f"{rule}/{run}" for rule in ("sample", "features", "evaluate") for run in RUNS}
    assert own <= set(alone.jobs)
    assert set(alone.jobs) - own | {"curve/line"} == set(curved.jobs)
    job = curved.jobs["curve/line"]
    behind = {"extractor/g", "reference/x", "reference_features/x", "init/m", "init/k"}
    assert set(curved.after(job)) == behind


def test_scores_are_those_of_the_runs_own_jobs(written, curved, adm):
    found = json.loads(curved.read_text())["runs"]
    assert list(found) == RUNS
    assert not (written / "results/tiny/work/curve/line").exists()
    for run in RUNS:
        for verb in ("sample", "features", "evaluate"):
            assert adm(verb, run, "--params", "alone.yaml")[0] == 0
        expected = json.loads((written / f"results/tiny/metrics/{run}.json").read_text())
        del expected["sha256"], expected["made_by"]
        assert found[run] == expected
    assert found["a-0"]["metrics"] != found["a-1"]["metrics"]


@pytest.mark.usefixtures("curved")
def test_it_is_there_until_one_of_its_runs_changes(adm, tmp_path):
    assert adm("resolve")[0] == 0
    assert adm("jobs", "curve")[1].splitlines()[0] == "curve line: there"
    changed = tmp_path / "changed.yaml"
    changed.write_text(PARAMS.replace('steps: "3"', 'steps: "4"'))
    (told,) = adm("jobs", "curve", "--params", changed)[1].splitlines()[:-1]
    assert "a-0.steps 3 -> 4" in told


def test_tables_read_them(written, curved):
    params = load(written / "params.yaml")
    table = read_metrics(params, RUNS, ["fid"], {"metrics": dict.fromkeys(RUNS, curved)})
    found = json.loads(curved.read_text())["runs"]
    assert table["fid"].tolist() == [found[run]["metrics"]["fid"] for run in RUNS]


def test_a_killed_job_goes_on_behind_the_runs_that_are_scored(curved, adm, monkeypatch):
    expected, scored, score = curved.read_bytes(), [], evaluate.run

    def killed_at_the_second(run, *arguments):
        if scored:
            raise KeyboardInterrupt
        scored.append(run.gradient_scale)
        score(run, *arguments)

    monkeypatch.setattr(curve.evaluate, "run", killed_at_the_second)
    assert adm("curve", "line")[0] != 0
    monkeypatch.setattr(
        curve.evaluate, "run", lambda run, *arguments: (scored.append(run.gradient_scale), score(run, *arguments))
    )
    assert adm("curve", "line")[0] == 0
    assert scored == [0, 1]
    assert curved.read_bytes() == expected


def test_what_needs_images_cannot_have_a_curves_run(tmp_path):
    (tmp_path / "params.yaml").write_text(f"{PARAMS}neighbours: {{n: {{run: a-0}}}}\n")
    with pytest.raises(UserError, match=r"neighbours\.n\.run: 'a-0' is of curve 'line'"):
        load(tmp_path / "params.yaml")


def test_runs_of_a_curve_have_one_reference(tmp_path):
    other = "  b: {checkpoint: m-0, steps: '3', num_samples: 20, reference: y, curve: line}\n"
    both = PARAMS.replace("  x: {dataset: x, num_images: 60}", "  x: &x {dataset: x, num_images: 60}\n  y: *x")
    (tmp_path / "params.yaml").write_text(both + other)
    with pytest.raises(UserError, match=r"runs.b.curve: its reference is 'y', but 'line' has 'x'"):
        load(tmp_path / "params.yaml")
