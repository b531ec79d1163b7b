"""A metric is one entry and one function: all that computes, shows and claims metrics knows it then."""

import sys
from types import ModuleType

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scored import Scored

from adm.artifacts.seal import read_sealed_json
from adm.config.metrics import METRICS, AskedParams, Metric
from adm.metrics.jackknife import Jackknife
from adm.metrics.scores import function_of
from adm.params import load
from adm.params.claims import ClaimParams
from adm.params.figures import CurvesParams
from adm.params.tables import OwnTableParams
from adm.report.artwork import ARTISTS
from adm.report.claims import judge
from adm.report.evidence import Evidence
from adm.report.metrics import Score
from adm.stages import table


def test_every_metric_of_the_registry_has_its_function():
    assert all(callable(function_of(name)) for name in METRICS)


@pytest.fixture
def spread(monkeypatch):
    """The spread of the first pooled feature: a metric that the package does not have."""
    module = ModuleType("spread_of_features")
    module.spread = lambda inputs: float(inputs.samples.pool[:, 0].std())
    monkeypatch.setitem(sys.modules, "spread_of_features", module)
    metric = Metric("Spread", "higher", "spread_of_features:spread", ("pool",), intervals=True)
    monkeypatch.setitem(METRICS, "spread", metric)


@pytest.fixture
def evaluated(tmp_path, root):
    """Evaluate two runs of the embedded scale, of features that no network made: the params, and paths by run."""
    params, scored = load(root / "params.yaml"), Scored(tmp_path)
    small = {"num_samples": 40, "micro_batch": 5}
    runs = {key: params.runs[key].model_copy(update=small) for key in ("scale-0", "scale-2")}

    def run(*asked):
        paths = {key: tmp_path / f"{key}.json" for key in runs}
        for key, section in runs.items():
            scored.samples(key, section)
            scored.features(f"{key}_features", key, 40)
            given = AskedParams(metrics=list(asked)) if asked else None
            scored.evaluate(paths[key], section, given, samples=key, features=f"{key}_features")
        return params.model_copy(update={"runs": params.runs | runs}), {"metrics": paths}

    return run


def test_a_metric_that_is_registered_is_computed_shown_and_claimed(spread, evaluated, tmp_path):
    params, inputs = evaluated("spread")
    found = read_sealed_json(inputs["metrics"]["scale-2"])
    assert list(found["metrics"])[-1] == "spread"
    value, jackknife = found["metrics"]["spread"], found["jackknife"]["spread"]
    assert np.mean(jackknife["values"]) == pytest.approx(value, rel=1e-4)
    assert 0.3 < np.std(jackknife["values"], ddof=1) * np.sqrt(40 / 16 * 2) < 2  # of a normal number, about 1

    shown = {"spreads": OwnTableParams(rows={"a": "scale-0", "b": "scale-2"}, metrics=["spread"], caption="Spreads.")}
    table.run("spreads", shown["spreads"], params, inputs, tmp_path / "spreads", {})
    assert f"{value:.2f}" in (tmp_path / "spreads.md").read_text()

    curve = {"kind": "curves", "x": "gradient_scale", "y": ["spread"], "curves": {"a": ["scale-0", "scale-2"]}}
    figures = {"spreads": CurvesParams.model_validate({**curve, "caption": "Spreads."})}
    (axes,) = ARTISTS[figures["spreads"].kind](params, figures["spreads"], inputs).figure.axes
    assert axes.get_ylabel() == "Spread (higher is better)"
    assert axes.lines[0].get_ydata()[1] == pytest.approx(value)

    claim = {"statement": "S.", "source": "Mine", "kind": "higher", "metric": "spread", "run": "a", "than": "b"}
    higher = TypeAdapter(ClaimParams).validate_python(claim)
    scores = {
        run: Score({"spread": at}, {"spread": Jackknife(at + np.linspace(-0.1, 0.1, 16), np.zeros(0))}, 40)
        for run, at in (("a", 9.0), ("b", 1.0))
    }
    assert judge("mine", higher, Evidence(scores=scores)).verdict == "holds"


def test_a_metric_that_is_not_registered_is_refused_with_those_that_are(spread):
    with pytest.raises(ValidationError, match=r"'spred' is no metric; there are fid, .*coverage.*, spread"):
        OwnTableParams(rows={"a": "b"}, metrics=["spred"], caption="C.")
