"""A metric is one entry and one function: all that computes, shows and claims metrics knows it then."""

import sys
from types import ModuleType

import numpy as np
import pytest
from making import make, record, write_batch, write_shards
from pydantic import TypeAdapter, ValidationError

from adm.artifacts.manifest import write_manifest
from adm.artifacts.seal import read_sealed_json
from adm.artifacts.streaming import write_npy
from adm.artifacts.writing import new_folder
from adm.config.data import GraphParams
from adm.config.metrics import METRICS, AskedParams, Metric
from adm.metrics.jackknife import Jackknife
from adm.metrics.scores import function_of
from adm.params import load
from adm.params.claims import ClaimParams
from adm.params.data import DatasetParams, ReferenceParams
from adm.params.figures import CurvesParams
from adm.params.tables import OwnTableParams
from adm.report.artwork import ARTISTS
from adm.report.claims import judge
from adm.report.evidence import Evidence
from adm.report.metrics import Score
from adm.stages import evaluate, reference, table

GRAPH = GraphParams(executor="torch", feature_batch=4, threads=1)
AGAINST = ReferenceParams(dataset="d", extractor="e", num_images=30, threads=1)


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
    params, rng = load(root / "params.yaml"), np.random.default_rng(0)
    dataset = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=40)
    with new_folder(tmp_path / "graph") as folder:
        (folder / "graph.pb").write_text("graph")
        write_manifest(folder, record("extractor", {}, {}, []))

    def features(name, images, count):
        inputs = {"images": tmp_path / images, "graph": tmp_path / "graph"}
        arrays = {"pool": (count, 4), "spatial": (count, 6), "logits": (count, 3)}
        with new_folder(tmp_path / name) as folder:
            for layer, shape in arrays.items():
                write_npy(folder / f"{layer}.npy", rng.normal(size=shape).astype(np.float32))
            write_manifest(folder, record("features", {"extractor": GRAPH}, inputs, []), {"num_images": count})

    with new_folder(tmp_path / "data") as folder:
        write_shards(folder, np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 2, dataset.shard_size)
        write_manifest(folder, record("prepare", {"dataset": dataset}, {}, []))
    features("dataset_features", "data", 40)
    make(reference, AGAINST, tmp_path / "dataset_features", tmp_path / "data", tmp_path / "reference")
    features("reference_features", "reference", 30)
    small = {"num_samples": 40, "micro_batch": 5}
    params = params.model_copy(
        update={
            "runs": params.runs | {key: params.runs[key].model_copy(update=small) for key in ("scale-0", "scale-2")}
        }
    )

    def run(*asked):
        paths, given = {}, AskedParams(metrics=list(asked)) if asked else None
        for key in ("scale-0", "scale-2"):
            section = params.runs[key]
            images = rng.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
            write_batch(tmp_path / key, "sample", section, {}, images, np.zeros(40, np.int64))
            features(f"{key}_features", key, 40)
            names = {"samples": key, "features": f"{key}_features"}
            names |= {name: name for name in ("reference", "reference_features")}
            paths[key] = tmp_path / f"{key}.json"
            make(evaluate, section, {name: tmp_path / place for name, place in names.items()}, paths[key], given)
        return params, {"metrics": paths}

    return run


def test_a_metric_that_is_registered_is_computed_shown_and_claimed(spread, evaluated, tmp_path):
    params, inputs = evaluated("spread")
    found = read_sealed_json(inputs["metrics"]["scale-2"])
    assert list(found["metrics"])[-1] == "spread"
    value, jackknife = found["metrics"]["spread"], found["jackknife"]["spread"]
    assert np.mean(jackknife["values"]) == pytest.approx(value, rel=1e-4)
    assert 0.3 < np.std(jackknife["values"], ddof=1) * np.sqrt(40 / 16 * 2) < 2  # of a normal number, about 1

    shown = {"spreads": OwnTableParams(rows={"a": "scale-0", "b": "scale-2"}, metrics=["spread"], caption="Spreads.")}
    table.run("spreads", shown["spreads"], params, inputs, tmp_path / "spreads")
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
