"""A model that begins with the weights of another one: from its first images to a file in the released format."""

import numpy as np
import pytest
import torch
from making import make, record, write_dataset

from adm.artifacts.manifest import read_manifest, write_manifest
from adm.errors import UserError
from adm.nets.presets import PRESETS, preset_model
from adm.nets.release import preset_shapes, read_weights
from adm.nets.weights import model_network, read_tensors
from adm.params.data import DatasetParams, PublishedCheckpointParams
from adm.params.models import DiffusionModelParams, SegmentParams
from adm.params.runs import RunParams
from adm.params.schema import ExecutionParams
from adm.stages import adopt, fetch, init, sample, train
from adm.tools import export

DATASET = DatasetParams(source="digits", image_size=8, num_classes=3)
EXECUTION = ExecutionParams(log_every=1, save_every=2, expected_minutes=None)
RUN = RunParams(checkpoint="c", reference="r", num_samples=5, steps="4", micro_batch=5)


@pytest.fixture
def released(tmp_path, monkeypatch, tiny_model):
    """A file in the released format, of a tiny preset, and the model that it becomes a checkpoint of."""
    monkeypatch.setitem(PRESETS, "tiny", tiny_model(num_classes=5, attention_order="new").network)
    draws = torch.Generator().manual_seed(0)
    shapes = preset_shapes("tiny").items()
    torch.save({name: 0.1 * torch.randn(shape, generator=draws) for name, shape in shapes}, tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt", DiffusionModelParams.model_validate(preset_model("tiny").model_dump())


@pytest.fixture
def adopted(tmp_path):
    def run(file, model, name="source"):
        published = PublishedCheckpointParams(model="tiny", iteration=1, url=file.as_uri())
        make(fetch, published, tmp_path / f"fetched-{name}")
        make(adopt, published, model, tmp_path / f"fetched-{name}", tmp_path / name)
        return tmp_path / name

    return run


def with_network(model, **changes):
    training = model.training.model_copy(update={"batch_size": 6, "ema_rate": 0.5})
    return model.model_copy(
        update={"network": model.network.model_copy(update=changes), "training": training, "objective": "hybrid"}
    )


def test_a_released_file_is_taught_classes_resumed_and_written_back(released, adopted, tmp_path, monkeypatch):
    file, source = released
    model = with_network(source, num_classes=3)
    make(init, model, tmp_path / "m-0", start=adopted(file, source), start_model=source)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
    write_dataset(tmp_path / "data", pixels, np.arange(12) % 3, facts={"class_names": ["a", "b", "c"]}, num_classes=3)

    def trained(name, previous, start, stop):
        segment = SegmentParams(model="m", dataset="digits", previous="m-0", stop=stop)
        inputs = {"data": tmp_path / "data", "previous": tmp_path / previous}
        paths = {"out": tmp_path / name, "work": tmp_path / f"work-{name}", "log": tmp_path / f"{name}.csv"}
        make(train, segment, model, DATASET, EXECUTION, "cpu", start, inputs, **paths)
        return tmp_path / name

    trained("m-2", "m-0", 0, 2)
    resumed, whole = trained("m-4", "m-2", 2, 4), trained("whole", "m-0", 0, 4)
    assert (resumed / "network.safetensors").read_bytes() == (whole / "network.safetensors").read_bytes()
    assert (resumed / "network.safetensors").read_bytes() != (tmp_path / "m-0/network.safetensors").read_bytes()
    export.run(resumed, tmp_path / "back.pt", None, "float32")
    ema = read_tensors(resumed / "ema.safetensors", model_network(model).state_dict())
    back = read_weights(tmp_path / "back.pt", model_network(model), "it")
    assert all(torch.equal(back[name], tensor) for name, tensor in ema.items())


def test_kept_classes_make_the_images_of_the_source_before_any_training(released, adopted, tmp_path):
    file, source = released
    model, start = with_network(source), adopted(file, source)
    make(init, model, tmp_path / "m-0", start=start, start_model=source, keep_classes=True)
    for name, checkpoint, section in (("its", start, source), ("own", tmp_path / "m-0", model)):
        where = {"out": tmp_path / name, "work": tmp_path / f"work-{name}"}
        make(sample, RUN, section, None, {"checkpoint": checkpoint}, device="cpu", timeout_seconds=9, **where)
    assert (tmp_path / "own/samples.npz").read_bytes() == (tmp_path / "its/samples.npz").read_bytes()


def test_an_exported_file_is_adopted_as_what_it_tells_and_a_checkpoint_too(tiny_model, adopted, tmp_path):
    model = tiny_model()
    make(init, model, tmp_path / "m")
    tensors = (tmp_path / "m/ema.safetensors").read_bytes()
    export.run(tmp_path / "m", tmp_path / "m.safetensors", None, "float32")
    for name, file in (("exported", "m.safetensors"), ("folder", "m/ema.safetensors")):
        assert (adopted(tmp_path / file, model, name) / "ema.safetensors").read_bytes() == tensors
    # No shape shows these.
    for changes, told in (({"timesteps": 60}, "noise.timesteps is 50"), ({"heads": 2}, "network.heads is 1")):
        with pytest.raises(UserError, match=rf"{told}, but model 'tiny' has (60|2)$"):
            adopted(tmp_path / "m.safetensors", tiny_model(**changes), f"other-{next(iter(changes))}")


def test_names_go_with_the_classes_that_are_kept(released, adopted, tmp_path):
    file, source = released
    start = adopted(file, source)
    (start / "manifest.json").unlink()
    write_manifest(start, record("adopt", {"model": source}), {"step": 1, "class_names": [*"abcde"]})
    for keep_classes in (True, False):
        out = tmp_path / f"m-{keep_classes}"
        make(init, source, out, start=start, start_model=source, keep_classes=keep_classes)
        assert read_manifest(out, "init").facts.get("class_names") == ([*"abcde"] if keep_classes else None)
