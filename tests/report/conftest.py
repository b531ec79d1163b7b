"""Artifacts of the embedded scale as tables, figures and claims read them."""

import pytest
from making import record
from scipy import stats

from adm.artifacts.seal import write_sealed_json
from adm.config.metrics import METRICS
from adm.params import load

ENDINGS = {"metrics": ".json", "throughput": ".json", "training": ".csv"}


@pytest.fixture(scope="module")
def params(root):
    return load(root / "tests" / "coloured.yaml")


@pytest.fixture
def coarse(monkeypatch):
    """Few draws, which make no interval wider or narrower on average, for many trials in little time."""
    monkeypatch.setattr("adm.metrics.intervals.POINTS", 1 << 10)


@pytest.fixture(scope="session")
def placed():
    """Where the artifacts of some needs lie in a folder: `placed(needs, folder)`, by kind and key."""

    def inputs(needs, folder):
        return {
            kind: {
                key: folder / kind / f"{key}{ENDINGS.get(kind, '')}" if key else folder / f"{kind}.json" for key in keys
            }
            for kind, keys in needs.items()
        }

    return inputs


def between(low, high):
    """The jackknife of a metric whose 95 % interval goes from `low` to `high`."""
    arm = 0.5 * (high - low) / stats.t.ppf(0.975, 1)
    return {"values": [0.5 * (low + high) - arm, 0.5 * (low + high) + arm], "pairs": []}


@pytest.fixture(scope="session")
def score():
    """What `evaluate` writes of a run, each metric `value` unless told: `score(params, run, 2.0, fid=3.0)`.

    Metrics in `intervals` have one of 0.5 to either side.
    """

    def content(params, run, value=1.0, intervals=(), **metrics):
        errors = [metric.error for metric in METRICS.values() if metric.error]
        return {
            "metrics": (found := dict.fromkeys([*METRICS, *errors], value) | metrics),
            "jackknife": {name: between(found[name] - 0.5, found[name] + 0.5) for name in intervals},
            "num_samples": params.scored[run].num_samples,
            "made_by": record(
                "evaluate",
                {"run": params.scored[run], "reference": params.all_references[params.scored[run].reference]},
                {},
                [],
            ),
        }

    return content


@pytest.fixture(scope="session")
def write_scores(score):
    """Write scores of runs, those of the n-th all 1 + n, into the folder `metrics` of a folder."""

    def write(folder, params, runs):
        (folder / "metrics").mkdir(parents=True, exist_ok=True)
        for number, run in enumerate(runs):
            content = score(params, run, 1.0 + number, ["fid"])
            write_sealed_json(folder / "metrics" / f"{run}.json", content)

    return write


@pytest.fixture(scope="session")
def write_sizes():
    """Write the sizes of all models, the same of each, into a folder: `write_sizes(folder, params, parameters=1)`."""

    def write(folder, params, **size):
        content = {
            "models": dict.fromkeys(params.models, size),
            "gans": {gan: {"training_flops": 10**12} for gan in params.gans},
            "made_by": record("sizes", {"models": params.models}, {}, []),
        }
        write_sealed_json(folder / "sizes.json", content)

    return write


@pytest.fixture(scope="session")
def changed():
    """The params file with other values of one key of a section: `changed(params, "tables", "table_8", rows=[...])`."""

    def copy(params, kind, key, **values):
        # Anew, since a copy would keep the look-ups that were made.
        sections = {name: getattr(params, name) for name in type(params).model_fields}
        sections[kind] = sections[kind] | {key: sections[kind][key].model_copy(update=values)}
        return type(params).model_construct(**sections)

    return copy
