"""Figures and tables against the evaluations of the network that a run takes, and what they show of guidance."""

import pytest

from adm.artifacts.seal import write_sealed_json
from adm.config.models import NoiseParams
from adm.params import load
from adm.params.figures import AblationsParams, CurvesParams
from adm.params.needs import needs_of
from adm.params.references import keys_read
from adm.params.runs import RunParams
from adm.params.tables import OwnTableParams
from adm.report import curves
from adm.report.artwork import ARTISTS
from adm.report.run_tables import describe, own_table


@pytest.fixture
def solved(params):
    """The params file with runs of other samplers, and a figure of them."""
    base = params.runs["scale-2"].model_dump()

    def of(**changes):
        return RunParams.model_validate(base | changes)

    runs = {
        "euler": of(sampler="ddim", steps="ddim10"),
        "few": of(sampler="dpm_solver_pp", steps="logsnr5", eta=1.0),
        "more": of(sampler="unipc", steps="20", order=3),
        "heun": of(sampler="heun", steps="rho10"),
    }
    panels = {"Guided": {"first": ["more", "few"], "second": ["euler"]}, "Of Heun": {"second": ["heun"]}}
    figure = AblationsParams(kind="ablations", x="evaluations", panels=panels, caption="C.")
    sections = {name: getattr(params, name) for name in type(params).model_fields}
    sections |= {"runs": params.runs | runs, "figures": params.figures | {"solvers": figure}}
    return type(params).model_construct(**sections)


def test_a_figure_stands_over_evaluations_on_a_logarithmic_axis(solved, placed, write_scores, tmp_path):
    needs = needs_of(solved, solved.figures["solvers"])
    assert needs["metrics"] == ["more", "few", "euler", "heun"]
    write_scores(tmp_path, solved, needs["metrics"])
    guided, heun = ARTISTS[solved.figures["solvers"].kind](
        solved, solved.figures["solvers"], placed(needs, tmp_path)
    ).figure.axes
    assert guided.get_xscale() == heun.get_xscale() == "log"
    assert [line.get_xdata().tolist() for line in guided.lines] == [[5, 20], [10]]
    assert [line.get_ydata().tolist() for line in guided.lines] == [[2.0, 1.0], [3.0]]
    assert [line.get_xdata().tolist() for line in heun.lines] == [[19]]


def test_temperatures_stand_in_their_order_on_either_side_of_1(solved, placed, write_scores, tmp_path):
    plain = solved.runs["euler"]
    temperatures = {"warm": 1.017, "cold": 0.9, "plain": 1.0}
    runs = {key: plain.model_copy(update={"epsilon_temperature": value}) for key, value in temperatures.items()}
    runs["quiet"] = plain.model_copy(update={"noise_temperature": 0.98})
    curves = {"epsilon": ["plain", "cold", "warm"], "noise": ["quiet", "plain"]}
    figure = CurvesParams(kind="curves", x="temperature", y=["fid", "precision", "recall"], curves=curves)
    params = solved.model_copy(update={"runs": solved.runs | runs, "figures": {"figure_11": figure}})
    write_scores(tmp_path, params, runs)
    for axes in ARTISTS[figure.kind](
        params, figure, placed(needs_of(params, params.figures["figure_11"]), tmp_path)
    ).figure.axes:
        assert [line.get_xdata().tolist() for line in axes.lines] == [[0.9, 1.0, 1.017], [0.98, 1.0]]


def test_a_table_of_ones_own_may_tell_evaluations(solved, placed, write_scores, tmp_path):
    runs = {"SDE": "few", "Heun": "heun", "GAN": "gan-1"}
    shown = OwnTableParams(rows=runs, metrics=["fid"], evaluations=True, caption="C.")
    write_scores(tmp_path, solved, runs.values())
    table = own_table(solved, shown, placed(needs_of(solved, shown), tmp_path))
    assert table.columns.tolist() == ["Run", "Here", "Evaluations", "FID"]
    assert table["Evaluations"].tolist() == ["5", "19", ""]


def test_solvers_are_described_by_what_is_their_own(solved):
    own = {"euler": ["DDIM 10"], "few": ["2M", "eta 1.0", "log-SNR"], "more": ["order 3"], "heun": ["Heun", "rho 7"]}
    for run, words in own.items():
        assert [word for word in words if word not in describe(solved, run)] == [], run


# Guidance.


@pytest.fixture(scope="module")
def guided(root):
    return load(root / "params.yaml")


def test_a_run_tells_what_guides_it_and_how_many_steps(guided):
    steps = guided.runs["limited-2"].guided_steps(NoiseParams())
    assert describe(guided, "limited-2") == f"adm-128-2180, 25 steps, gradient scale 2, {steps} guided"
    assert describe(guided, "scale-0") == "adm-128-2180, 25 steps"
    assert describe(guided, "free-1") == "adm-128-free-600, 25 steps"
    assert describe(guided, "free-2") == "adm-128-free-600, 25 steps, guided by itself, scale 2"
    assert describe(guided, "auto-2") == "adm-128-2180, 25 steps, guided by adm-128-125, scale 2"


def test_a_trade_off_is_along_the_scale_that_varies(guided, score, tmp_path, monkeypatch):
    shown = guided.figures["guidance"]
    paths = {}
    for number, run in enumerate(keys_read(shown, "metrics"), start=1):
        paths[run] = tmp_path / f"{run}.json"
        write_sealed_json(paths[run], score(guided, run, float(number)))
    drawn = {}
    monkeypatch.setattr(curves, "trade_off", lambda *arguments: drawn.update(enumerate(arguments)))
    ARTISTS[guided.figures["guidance"].kind](guided, guided.figures["guidance"], {"metrics": paths})
    assert {label: frame["value"].tolist() for label, frame in drawn[0].items()} == {
        "classifier (gradient scale)": [0, 0.5, 1, 2, 4],
        "interval (gradient scale)": [0, 2, 4],
        "classifier-free (guidance scale)": [1, 2, 4],
        "autoguidance (guidance scale)": [1, 1.5, 2],
    }
