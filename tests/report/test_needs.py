"""What each table, each figure and the claims are made from: enough to make them, and no more."""

import numpy as np
import pytest
from making import record

from adm.params.figures import AblationsParams, CurvesParams
from adm.params.needs import needs_of
from adm.report.artwork import ARTISTS
from adm.sampling.studies import Likelihood, write_study
from adm.stages import figure as figure_stage


def needed(needs):
    return {kind for kind, keys in needs.items() if keys}


# With exactly what is named in a folder, and nothing beside it, a table or a figure can be made.


def test_an_ablation_over_flops_counts_three_passes_of_every_image(params, placed, write_scores, write_sizes, tmp_path):
    runs, batch_size = ["adm-128-250", "adm-128-500", "adm-128-4360"], params.models["adm-128"].training.batch_size
    shown = AblationsParams(kind="ablations", panels={"": {"one": runs}}, caption="Mine.")
    params = params.model_copy(update={"figures": {"mine": shown}})
    write_scores(tmp_path, params, runs)
    write_sizes(tmp_path, params, forward_flops=10**9)
    figure = params.figures["mine"]
    needs = needs_of(params, figure)
    assert needed(needs) == {"metrics", "sizes"}
    (axes,) = ARTISTS[figure.kind](params, figure, placed(needs, tmp_path)).figure.axes
    assert axes.get_xlabel() == "Training compute (TFLOP)"
    expected = [3 * batch_size * iterations / 1000 for iterations in (250, 500, 4360)]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), expected)


@pytest.mark.parametrize(("x", "values"), [("iterations", [250, 500, 4360]), ("num_samples", [400] * 3)])
def test_curves_of_ones_own_run_along_a_number_of_their_runs(params, placed, write_scores, tmp_path, x, values):
    runs = ["adm-128-250", "adm-128-500", "adm-128-4360"]
    shown = CurvesParams(kind="curves", x=x, y=["kid", "fid"], curves={"a": runs}, caption="Mine.")
    params = params.model_copy(update={"figures": {"mine": shown}})
    needs = needs_of(params, params.figures["mine"])
    assert (needed(needs), needs["metrics"]) == ({"metrics"}, runs)
    write_scores(tmp_path, params, runs)
    first, second = ARTISTS[params.figures["mine"].kind](
        params, params.figures["mine"], placed(needs, tmp_path)
    ).figure.axes
    assert first.lines[0].get_xdata().tolist() == values
    assert second.get_ylabel() == "FID (lower is better)"
    figure_stage.run("mine", params.figures["mine"], params, placed(needs, tmp_path), tmp_path / "mine", {})
    assert (tmp_path / "mine.png").exists()


def write_likelihood_of(folder, section, num_images):
    terms = np.array([1.0, 0.2, 0.1])
    images, bits = np.arange(num_images), np.linspace(1.2, 1.4, num_images)
    study = Likelihood(np.arange(3), terms, images, images, bits, np.zeros(num_images), bits)
    write_study(folder, study, record("likelihood", {"likelihood": section}))


def test_a_figure_of_likelihoods_is_made_from_its_needs_alone_and_says_what_was_measured(params, placed, tmp_path):
    shown = params.figures["likelihood"]
    needs = needs_of(params, shown)
    assert needed(needs) == {"studies"}
    inputs, (early, late) = placed(needs, tmp_path), needs["studies"]
    for study in (early, late):
        write_likelihood_of(inputs["studies"][study], params.likelihoods[study], 4)
    drawn = ARTISTS[params.figures["likelihood"].kind](params, params.figures["likelihood"], inputs)
    assert [len(axes.lines) for axes in drawn.figure.axes] == [2, 2]
    assert drawn.remark == "Here: 4 images of digits at 3 timesteps."
    write_likelihood_of(inputs["studies"][late], params.likelihoods[late], 5)
    remark = ARTISTS[params.figures["likelihood"].kind](params, params.figures["likelihood"], inputs).remark
    assert [f"{label}, {count} images" in remark for label, count in zip(shown.curves, (4, 5), strict=True)] == [
        True
    ] * 2
