"""When to stop: the best checkpoints and the first one that copies, from scores and losses whose truth is known."""

import json
import re
import shutil

import numpy as np
import pytest
from making import record
from scipy import stats

from adm.artifacts.seal import write_sealed_json
from adm.metrics.jackknife import PARTS
from adm.params import UserError, load
from adm.params.needs import needs_of
from adm.sampling.studies import Likelihood, write_study
from adm.stages import table as stage

PARAMS = """\
datasets: {x: {source: digits, image_size: 8, num_classes: 10, held_out: 0.2}}
extractors: {g: {dataset: x, side: 16, iterations: 5, least_accuracy: 0.0}}
models:
  m:
    kind: diffusion
    dataset: x
    checkpoints: [100, 200, 400, 800]
    network: {image_size: 8, channels: 32, channel_multiplier: [1], depth: 1, attention_resolutions: [], heads: 1}
    noise: {timesteps: 20, schedule: cosine}
    training: {batch_size: 4, learning_rate: 1.0e-3, ema_rate: 0.9}
references: {x: {dataset: x, num_images: 50}}
runs: {a: {checkpoint: m, steps: 3, num_samples: 500, sweep: {iteration: [100, 200, 400, 800]}}}
likelihoods: {l: {checkpoint: m, part: held_out, num_images: 40, sweep: {iteration: [100, 200, 400, 800]}}}
tables:
  t: {rows: [a], metrics: [kid_held_out, copies], losses: [l-100, l-200, l-400, l-800], caption: Through training.}
"""
NUM = 40


@pytest.fixture
def said(tmp_path, placed, score):
    """What a table says of copies (share and error), and of KID and losses whose draws differ by some spread."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    params = load(tmp_path / "params.yaml")
    needs = needs_of(params, params.tables["t"])
    inputs = placed(needs, tmp_path)
    (tmp_path / "metrics").mkdir()
    rng = np.random.default_rng(0)

    def say(copies, kid=(1, 1, 1, 1), loss=(1, 1, 1, 1), spread=0.01):
        images = rng.standard_normal(NUM)
        for number, (run, study) in enumerate(zip(needs["metrics"], needs["studies"], strict=True)):
            share, error = copies[number]
            content = score(params, run, 1.0, kid_held_out=kid[number], copies=share, copies_error=error)
            values = spread * rng.standard_normal(PARTS)
            content["jackknife"] = {
                "kid_held_out": {"values": (kid[number] + values - values.mean()).tolist(), "pairs": []}
            }
            write_sealed_json(inputs["metrics"][run], content)
            losses = loss[number] + images + spread * rng.standard_normal(NUM)
            terms, at = np.zeros(3), np.arange(NUM)
            found = Likelihood(np.arange(3), terms, at, at, 0 * losses, 0 * losses, losses)
            shutil.rmtree(inputs["studies"][study], ignore_errors=True)
            write_study(inputs["studies"][study], found, record("likelihood", {}, {}, []))
        stage.run("t", params.tables["t"], params, inputs, tmp_path / "t", {})
        *_, by_kid, by_loss, copying, samples, errors = (tmp_path / "t.md").read_text().partition("\n")[0].split(". ")
        assert (samples, errors) == ("Scores are of 500 samples a run", "± is a standard error.")
        return by_kid, by_loss, copying

    return say


NONE = ((0.0, 0.01), (0.01, 0.01), (-0.01, 0.01), (0.005, 0.01))


@pytest.mark.parametrize("since", [0, 1, 2, 3])
def test_a_model_memorises_since_the_first_of_the_last_checkpoints_that_copy(said, since):
    copies = [*NONE[:since], *[(0.1, 0.01)] * (4 - since)]
    assert f"memorises, from {(100, 200, 400, 800)[since]} iterations" in said(copies)[2]


def test_copies_that_the_last_checkpoint_does_not_make_are_no_memorising(said):
    assert "No memorising" in said([*[(0.1, 0.01)] * 3, NONE[3]])[2]


def test_checkpoints_that_are_clearly_worse_are_not_said_to_be_the_best(said):
    by_kid, by_loss, _ = said(NONE, kid=(5, 1.001, 1, 3), loss=(4, 3, 2.001, 2))
    assert [at for at in ("100", "200", "400", "800") if f" {at} iterations" in by_kid] == ["200", "400"]
    # Images differ far more than checkpoints do; each is compared with itself.
    assert [at for at in ("100", "200", "400", "800") if f" {at} iterations" in by_loss] == ["400", "800"]


def test_the_interval_of_the_best_is_that_of_its_cell(said, tmp_path):
    """Its own spread has fewer degrees of freedom than differences of independent runs."""
    by_kid, _, _ = said(NONE, kid=(5, 4, 1, 3), spread=0.1)
    told = tuple(float(each) for each in re.search(r"95 %: (\S+) to ([^)]+)\)", by_kid).groups())
    content = json.loads((tmp_path / "metrics" / "a-400.json").read_text())
    values = np.array(content["jackknife"]["kid_held_out"]["values"])
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    assert told == pytest.approx((1 - half, 1 + half), rel=5e-3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("part: held_out, ", ""),
        ("[l-100, l-200, l-400, l-800]", "[l-200, l-100, l-400, l-800]"),
        ("rows: [a]", "rows: [a-800, a-400, a-200, a-100]"),
        ("metrics: [kid_held_out, copies]", "metrics: [kid_held_out]"),
    ],
)
def test_losses_that_do_not_fit_the_rows_are_refused(tmp_path, old, new):
    (tmp_path / "params.yaml").write_text(PARAMS.replace(old, new))
    with pytest.raises(UserError, match=r"tables\.t\.losses"):
        load(tmp_path / "params.yaml")
