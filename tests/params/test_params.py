"""Params files load, look-ups lead from one section to another, and what is no params file is refused in one line."""

import os
import re
import subprocess
import sys

import pytest

from adm.config.models import NoiseParams
from adm.diffusion.process import Diffusion
from adm.params import Params, UserError, check, load
from adm.params.runs import RunParams
from adm.pipeline import Pipeline


def test_a_checkpoint_belongs_to_a_model_and_an_iteration(root):
    params = load(root / "tests" / "coloured.yaml")
    assert (params.model_of("adm-128-0"), params.iteration_of("adm-128-0")) == ("adm-128", 0)
    assert (params.model_of("adm-128-500"), params.iteration_of("adm-128-500")) == ("adm-128", 500)
    assert params.chain("adm-128-500") == ["adm-128-250", "adm-128-450", "adm-128-500"]
    assert params.chain("adm-128-0") == []
    released = load(root / "scales" / "released" / "params.yaml")
    assert (released.model_of("adm-u-500k"), released.iteration_of("adm-u-500k")) == ("adm-u", 500_000)
    assert released.chain("adm-u-500k") == []


def test_a_run_has_the_graph_of_its_reference_and_images_of_its_model(root):
    params = load(root / "tests" / "coloured.yaml")
    assert (params.extractor_of("scale-2"), params.checkpoint_of("scale-2")) == ("digits", "adm-128-4360")
    sizes = {run: params.image_size_of(run) for run in ("base-540", "stack-540-500", "gan-1")}
    assert sizes == {"base-540": 4, "stack-540-500": 8, "gan-1": 8}
    with pytest.raises(ValueError, match="'gan-1' is sampled from no checkpoint"):
        params.checkpoint_of("gan-1")
    released = load(root / "scales" / "released" / "params.yaml")
    assert (released.extractor_of("cat-full"), released.image_size_of("cat-full")) == ("inception", 256)


def test_values_are_what_differs_from_the_defaults(root):
    params = load(root / "tests" / "coloured.yaml")
    assert params.datasets["bedroom"].values() == {
        **{"source": "digits", "image_size": 8, "num_classes": 10, "classes": [0, 1, 2, 3], "shard_size": 1024}
    }
    # How long a model is trained is no part of what its segments compute.
    assert {"dataset", "checkpoints"}.isdisjoint(params.models["adm-128"].values())


def test_the_first_checkpoint_alone_reads_what_a_model_begins_with(checked):
    """A key or an option of the start runs again what reads it, and nothing that reads its checkpoint."""
    few = {"models.other": "= models.adm-128", "tables": {}, "figures": {}, "claims": {}}
    starts = None, {"checkpoint": "adm-128-250"}, {"checkpoint": "adm-128", "keep_classes": True}
    plain, early, kept = (Pipeline(checked(few | {"models.other.start": start})).jobs for start in starts)
    assert [jobs["init/other"].inputs.get("start") for jobs in (plain, early, kept)] == [
        None,
        early["train/adm-128-250"].out,
        kept["train/adm-128-4360"].out,  # a model is its last checkpoint
    ]
    changed = {name for name in plain if plain[name].triggers != kept[name].triggers}
    assert {name for name in changed if name.startswith(("init", "train", "sample", "sizes"))} == {"init/other"}


RUNNING = {"checkpoint": "c", "reference": "r", "num_samples": 8}


@pytest.mark.parametrize(
    ("steps", "interval", "guided"),
    [("10", None, 10), ("10", [0.0, 1.0], 10), ("1000", [0.2, 0.8], 601), ("ddim10", [0.25, 0.55], 3)],
)
def test_guided_steps_are_counted(steps, interval, guided):
    fields = {"cfg_scale": 2.0, "steps": steps, "guidance_interval": interval}
    assert RunParams.model_validate(RUNNING | fields).guided_steps(NoiseParams()) == guided


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", ["25", "ddim10", "logsnr12", "rho18"])
def test_guided_steps_are_those_that_the_process_visits_in_the_interval(schedule, steps):
    run = RunParams.model_validate(RUNNING | {"cfg_scale": 2.0, "steps": steps, "guidance_interval": [0.2, 0.6]})
    visited = Diffusion.from_schedule(schedule, 100, steps).original
    assert run.guided_steps(NoiseParams(timesteps=100, schedule=schedule)) == sum(20 <= t <= 60 for t in visited) > 0


def sections_of(node, place=""):
    """The places of a file's sections: of each folder of entries its first one, of models one of each kind."""
    of_models = {entry["kind"]: key for key, entry in reversed(node.items())} if place == "models" else {}
    for key, value in node.items():
        if isinstance(value, dict) and key not in ("tables", "figures", "claims"):
            here = f"{place}.{key}".strip(".")
            if place in ENTRIES and key not in (of_models.values() or [next(iter(node))]):
                continue
            if here not in ENTRIES:
                yield here, value
            yield from sections_of(value, here)


ENTRIES = {name for name, field in Params.model_fields.items() if not hasattr(field.annotation, "model_fields")}
ENTRIES |= {f"published.{name}" for name in ("checkpoints", "samples", "references", "graphs")}


def test_no_section_takes_an_unknown_key(params, refusal):
    places = [place for place, _ in sections_of(params)]
    assert len(places) > 25
    for place in ["", *places]:
        message = refusal({f"{place}.nonsense".strip("."): 5})
        assert message.startswith(f"{place}: " if place else "nonsense: ")
        assert "nonsense" in message


def test_no_field_takes_what_is_of_another_type(params, refusal):
    # Each is checked by its declared type: the schema tells of all, and these that the schema is what checks.
    fields = [f"{place}.{name}" for place, entry in sections_of(params) for name in entry][::4]
    assert len(fields) > 40
    for field in fields:
        message = refusal({field: {"nonsense": [1.5]}})
        assert message.startswith((f"{field}: ", f"{field}."))
        assert "nonsense" in message


def test_errors_beyond_the_first_are_counted(refusal):
    assert refusal({"runs.scale-2.seed": -1, "runs.scale-4.seed": -1}).endswith("(and 1 more)")


@pytest.mark.parametrize("content", [None, [], "hello", 5])
def test_what_is_no_mapping_is_refused(content):
    with pytest.raises(UserError) as error:
        check(content, "scale.yaml")
    assert str(error.value).startswith("scale.yaml: holds no sections")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"models: [1, 2", ""),
        (b"models: !!python/object:os.system {}", ""),
        (b"name: caf\xe9", "position 9"),
        (b"models: {}\nmodels: {}", "'models' stands twice"),
        (b"runs:\n  a: {}\n  b: [1, 2\nmodels: {}\n", "line 4"),
        (b"models: {a: {seed: 1, seed: 2}}", "'seed' stands twice"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load(path)
    assert re.match(rf"{path}: (line [0-9]+: )?is no YAML: ", str(error.value))
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_a_missing_file_is_named(tmp_path):
    for path, reason in [(tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(UserError, match=reason) as error:
            load(path)
        assert str(error.value).startswith(f"{path}: ")


def test_params_import_no_torch_and_nothing_else_that_is_slow(root):
    script = "import sys, adm.params; print(' '.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment, text=True)
    slow = {"torch", "tensorflow", "numpy", "scipy", "sklearn", "pandas", "matplotlib"}
    assert not slow & set(done.stdout.split())
