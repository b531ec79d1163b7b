"""Numbers that cannot be silently wrong: of another run, of another graph, too few, or not finite."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from damage import flip
from making import make, refusal_of
from scored import RUN, Scored

from adm.artifacts.manifest import identity, read_record
from adm.artifacts.seal import read_sealed_json
from adm.data.batches import to_uint8
from adm.errors import NotFiniteError, UserError
from adm.metrics import scores
from adm.params.data import DatasetParams, ExtractorParams
from adm.params.models import GanParams, SegmentParams
from adm.params.schema import ExecutionParams
from adm.stages import extractor, init, train, train_gan
from adm.training import rolling

DATASET = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=20)


@pytest.fixture
def scored(tmp_path):
    return Scored(tmp_path)


def refusal(scored):
    """The line by which scores are refused, of which nothing is left."""
    message = refusal_of(scored.evaluate, scored.folder / "metrics.json")
    assert not (scored.folder / "metrics.json").exists()
    return message.removeprefix(f"{scored.folder}/")


def test_metrics_tell_what_they_are_of(scored):
    scored.evaluate(scored.folder / "metrics.json")
    found = read_sealed_json(scored.folder / "metrics.json")
    names = ("samples", "features", "reference", "reference_features")
    assert found["made_by"]["inputs"] == {name: identity(scored.folder / name) for name in names}
    assert found["made_by"]["params"] == {"run": RUN.values()}
    assert found["num_samples"] == RUN.num_samples
    assert read_record(scored.folder / "reference").facts["graph"] == identity(scored.folder / "graph")


@pytest.mark.parametrize("count", [RUN.num_samples - 1, RUN.num_samples + 1])
def test_another_number_of_samples_than_asked_for_is_refused(scored, count):
    scored.features("features", "samples", count)
    assert refusal(scored) == f"features: holds {count} samples, but the run asks for {RUN.num_samples}"


def test_features_of_another_graph_are_refused(scored):
    scored.features("features", "samples", graph="samples")
    assert refusal(scored).startswith("features: holds features of another graph than those behind")


def test_a_reference_of_another_graph_is_refused(scored):
    scored.features("dataset_features", "data", 40, graph="samples")
    scored.reference()
    message = refusal(scored)
    assert message.startswith("features: holds features of another graph than those behind")
    assert message.endswith("reference")


def test_a_metric_that_is_not_finite_is_refused(scored, monkeypatch):
    monkeypatch.setattr(scores, "density", lambda _: float("nan"))
    assert ": density" in refusal(scored)


def test_images_that_are_not_finite_are_refused():
    x = torch.zeros(3, 3, 2, 2)
    assert to_uint8(x).shape == (3, 2, 2, 3)
    x[1, 0, 0, 0] = float("nan")
    x[2, 0, 0, 0] = float("inf")
    with pytest.raises(NotFiniteError, match="2 of 3 images made together hold NaN or infinity"):
        to_uint8(x)


@pytest.fixture
def trained(tmp_path, tiny_model, data):
    """Train a segment of four steps that saves its state after two."""
    execution = ExecutionParams(log_every=1, save_every=2)

    def run(stop=4, **changes):
        segment = SegmentParams(model="m", dataset="digits", previous="m-0", stop=stop)
        model = tiny_model(batch_size=4, **changes)
        make(init, model, tmp_path / "m-0")
        inputs = {"data": data, "previous": tmp_path / "m-0"}
        paths = {name: tmp_path / name for name in ("out", "work")}
        make(train, segment, model, DATASET, execution, "cpu", 0, inputs, log=tmp_path / "log.csv", **paths)

    return SimpleNamespace(run=run, folder=tmp_path)


def spoil(monkeypatch, at, where):
    """Have one number of the state be NaN once a step is made."""
    updated = train.train

    def spoiled(state, *rest):
        for report in updated(state, *rest):
            if report.step == at:
                with torch.no_grad():
                    where(state).view(-1)[0] = float("nan")
            yield report

    monkeypatch.setattr(train, "train", spoiled)


def states(folder):
    return sorted(path.name for path in (folder / "work").rglob("step-*"))


def test_a_loss_that_is_not_finite_names_the_last_good_state(trained, monkeypatch):
    spoil(monkeypatch, 3, lambda state: next(state.network.parameters()))
    with pytest.raises(UserError, match=r"^iteration 3: loss nan with a non-finite gradient, first in \S+, ") as error:
        trained.run()
    assert str(error.value).endswith("step-000000002")
    assert not (trained.folder / "out").exists()


def test_before_any_state_is_saved_the_last_good_one_is_the_checkpoint_it_began_with(trained, monkeypatch):
    spoil(monkeypatch, 1, lambda state: next(state.network.parameters()))
    with pytest.raises(UserError, match=r"^iteration 1: .*; the last good state is \S+/m-0$"):
        trained.run()


@pytest.mark.parametrize(("part", "at"), [("network", 2), ("ema", 4), ("optimizer", 4)])
def test_a_state_that_is_not_finite_is_saved_neither_rolling_nor_as_a_checkpoint(trained, monkeypatch, part, at):
    parts = {
        "network": lambda state: next(state.network.parameters()),
        "ema": lambda state: next(iter(state.ema.values())),
        "optimizer": lambda state: next(tensor for _, tensor in state._moments()),
    }
    spoil(monkeypatch, at, parts[part])
    with pytest.raises(
        UserError, match=rf"^iteration {at}: {part}\.safetensors: \S+ holds NaN or infinity; the last good state is "
    ):
        trained.run()
    assert not (trained.folder / "out").exists()
    assert not (trained.folder / "log.csv").exists()
    assert states(trained.folder) == (["step-000000002"] if at == 4 else [])


def damage(state, how):
    path = state / "optimizer.safetensors"
    if how == "flipped":
        flip(path)  # of a number, which stays one
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "empty":
        (state / rolling.HASHES).write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("how", "damaged"), [("flipped", 1), ("truncated", 1), ("empty", 1), ("missing", 1), ("flipped", 2)]
)
def test_a_damaged_rolling_state_is_passed_over_and_the_bytes_are_the_same(trained, monkeypatch, caplog, how, damaged):
    trained.run(stop=6)
    whole = {path.name: path.read_bytes() for path in (trained.folder / "out").iterdir()}
    shutil.rmtree(trained.folder / "work")
    with monkeypatch.context() as patched:
        patched.setattr(rolling, "_states", interrupting(rolling._states, 2))
        with pytest.raises(KeyboardInterrupt):
            trained.run(stop=6)
    assert states(trained.folder) == ["step-000000002", "step-000000004"]
    for state in sorted((trained.folder / "work").rglob("step-*"))[-damaged:]:
        damage(state, how)
    trained.run(stop=6)
    assert caplog.text.count(": is not what was written; ") == damaged
    assert {path.name: path.read_bytes() for path in (trained.folder / "out").iterdir()} == whole


def test_states_that_follow_damaged_ones_are_kept(trained, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(rolling, "_states", interrupting(rolling._states, 3))
        with pytest.raises(KeyboardInterrupt):
            trained.run(stop=8)
        for state in (trained.folder / "work").rglob("step-*"):
            damage(state, "flipped")
        shutil.rmtree(next((trained.folder / "work").rglob("step-000000002")))
        with pytest.raises(KeyboardInterrupt):
            trained.run(stop=8)
    assert states(trained.folder) == ["step-000000002", "step-000000004", "step-000000006"]
    spoil(monkeypatch, 4, lambda state: next(state.network.parameters()))
    with pytest.raises(UserError, match=r"the last good state is .*step-000000002$"):
        trained.run(stop=8)


def interrupting(function, saves):
    """The function, which ends training once so many states are there."""

    def called(folder):
        found = function(folder)
        if len(found) == saves:
            raise KeyboardInterrupt
        return found

    return called


GAN = {"dataset": "d", "latent": 4, "channels": 8, "iterations": 2, "batch_size": 4, "generator_rate": 1e30}
EXTRACTOR = {"dataset": "d", "side": 8, "channels": 4, "iterations": 3, "batch_size": 12, "learning_rate": 1e30}


def test_a_gan_whose_loss_is_not_finite_ends_with_the_iteration_and_a_tensor(trained, data):
    gan = GanParams.model_validate(GAN | {"discriminator_rate": 1e30})
    with pytest.raises(NotFiniteError, match=r"^iteration \d: (discriminator|generator)_loss \S+ .*, first in \S+;"):
        make(train_gan, gan, DATASET, data, trained.folder / "gan", trained.folder / "work", 1)
    assert not (trained.folder / "gan").exists()


def test_an_extractor_whose_loss_is_not_finite_ends_with_the_iteration_and_a_tensor(trained, data):
    section = ExtractorParams.model_validate(EXTRACTOR | {"least_accuracy": 0.1})
    with pytest.raises(NotFiniteError, match=r"^iteration \d: loss \S+ .*, first in \S+;"):
        make(extractor, section, DATASET, data, trained.folder / "extractor", trained.folder / "work", 1)
    assert not (trained.folder / "extractor").exists()
