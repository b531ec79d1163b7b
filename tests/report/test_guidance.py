"""What tables and figures show of guidance."""

import pytest

from adm.artifacts.seal import write_sealed_json
from adm.config.models import NoiseParams
from adm.params import load
from adm.params.references import keys_read
from adm.report import curves
from adm.report.artwork import ARTISTS
from adm.report.run_tables import describe


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
