"""The params file loads, and each way to break it is met by one line: the key, the value and what is accepted."""

import os
import subprocess
import sys

import pytest
import yaml

from adm.params import Params, UserError, check, load


def test_the_params_file_loads(root, params):
    loaded = load(root / "params.yaml")
    assert loaded == check(params, "params.yaml")
    assert set(loaded.models) == set(params["models"])
    assert loaded.model_dump(exclude_unset=True, mode="json")["runs"] == params["runs"]


def test_loaded_params_never_change(root):
    with pytest.raises(ValueError, match="frozen"):
        load(root / "params.yaml").models["adm-128"].training.batch_size = 1


def test_a_checkpoint_belongs_to_a_model_and_an_iteration(root):
    loaded = load(root / "params.yaml")
    assert (loaded.model_of("adm-128-0"), loaded.iteration_of("adm-128-0")) == ("adm-128", 0)
    assert (loaded.model_of("adm-128-500"), loaded.iteration_of("adm-128-500")) == ("adm-128", 500)
    with pytest.raises(ValueError, match="'adm-128-7' is no checkpoint"):
        loaded.model_of("adm-128-7")


MISSING = ...
UPSAMPLER = {
    "kind": "upsampler",
    "network": {
        "image_size": 8,
        "channels": 32,
        "channel_multiplier": [1, 2],
        "depth": 1,
        "attention_resolutions": [4],
        "heads": 1,
        "num_classes": 10,
        "low_resolution": 4,
    },
    "noise": {"timesteps": 1000, "schedule": "cosine"},
    "objective": "hybrid",
    "training": {"batch_size": 4, "learning_rate": 0.1, "ema_rate": 0.5, "flip": True, "seed": 1, "threads": 1},
}


def network(model, **changes):
    return {f"models.{model}.network.{key}": value for key, value in changes.items()}


# Changes of the params file; then what the message must contain: the key's path, the value, what is accepted.
BROKEN = {
    # Unknown and missing keys, at every level.
    "unknown section": ({"modles": {}}, "modles", "accepted are paths, execution, resources"),
    "unknown key of a dataset": ({"datasets.digits.size": 8}, "datasets.digits", "'size'", "image_size"),
    "unknown key of an extractor": ({"extractors.digits.depth": 2}, "extractors.digits", "'depth'", "channels"),
    "unknown key of a model": ({"models.adm-128.epochs": 5}, "models.adm-128:", "'epochs'", "training"),
    "unknown key of a network": (network("adm-128", width=5), "models.adm-128.network", "'width'", "channels"),
    "unknown key of the noise": ({"models.adm-128.noise.steps": 5}, "models.adm-128.noise", "'steps'", "timesteps"),
    "unknown key of training": (
        {"models.adm-128.training.lr": 0.1},
        "models.adm-128.training",
        "'lr'",
        "learning_rate",
    ),
    "unknown key of a segment": ({"segments.adm-128-500.start": 250}, "segments.adm-128-500", "'start'", "previous"),
    "unknown key of a run": ({"runs.scale-2.scale": 1.0}, "runs.scale-2", "'scale'", "gradient_scale"),
    "unknown key of a reference": ({"references.digits.k": 3}, "references.digits", "'k'", "num_images"),
    "unknown key of a table of one's own": ({"tables.mine": {"run": []}}, "tables.mine: unknown key 'run'", "caption"),
    "unknown key of a figure": (
        {"figures.figure_21.rows": 3},
        "figures.figure_21",
        "'rows'",
        "classes",
    ),
    "missing section": ({"runs": MISSING}, "runs: is missing"),
    "missing key": ({"models.adm-128.training.ema_rate": MISSING}, "models.adm-128.training.ema_rate: is missing"),
    "missing kind": (
        {"models.adm-128.kind": MISSING},
        "models.adm-128.kind: is missing",
        "diffusion, upsampler, classifier",
    ),
    "unconditional by omission": (
        network("adm-128", num_classes=MISSING),
        "models.adm-128.network.num_classes: is missing",
    ),
    # Wrong types.
    "string for a number": (
        {"models.adm-128.training.learning_rate": "1e-4"},
        "models.adm-128.training.learning_rate",
        "'1e-4'",
        "valid number",
    ),
    "float for an integer": (
        {"models.adm-128.training.batch_size": 32.0},
        "training.batch_size",
        "32.0",
        "valid integer",
    ),
    "boolean for an integer": (network("adm-128", depth=True), "models.adm-128.network.depth", "True", "valid integer"),
    "integer for a boolean": (
        {"models.adm-128.training.flip": 0},
        "models.adm-128.training.flip",
        "0",
        "valid boolean",
    ),
    "number for steps": ({"runs.scale-2.steps": 50}, "runs.scale-2.steps", "50", "valid string"),
    "list for a section": ({"datasets": ["digits"]}, "datasets", "['digits']", "valid dictionary"),
    "nothing for a section": ({"models.adm-128.noise": None}, "models.adm-128.noise", "None", "valid dictionary"),
    "number for a model": ({"models.adm-128": 5}, "models.adm-128", "5", "valid dictionary"),
    "scalar for a list": (network("adm-128", channel_multiplier=2), "network.channel_multiplier", "2", "valid list"),
    # Values out of range.
    "unknown kind": (
        {"models.adm-128.kind": "gan"},
        "models.adm-128.kind",
        "'gan'",
        "diffusion, upsampler, classifier, uniform",
    ),
    "unknown schedule": (
        {"models.adm-128.noise.schedule": "sigmoid"},
        "noise.schedule",
        "'sigmoid'",
        "'linear' or 'cosine'",
    ),
    "unknown sampler": (
        {"runs.scale-2.sampler": "plms"},
        "runs.scale-2.sampler",
        "'plms' is no sampler; there are ddpm, ddim",
    ),
    "unknown source": ({"datasets.digits.source": "mnist"}, "datasets.digits.source", "'mnist'", "'digits'"),
    "no batch": (
        {"models.adm-128.training.batch_size": 0},
        "models.adm-128.training.batch_size",
        "0",
        "greater than 0",
    ),
    "negative seed": (
        {"models.adm-128.training.seed": -1},
        "models.adm-128.training.seed",
        "-1",
        "greater than or equal to 0",
    ),
    "negative extractor seed": ({"extractors.digits.seed": -1}, "extractors.digits.seed", "-1", "or equal to 0"),
    "infinite rate": (
        {"models.adm-128.training.learning_rate": float("inf")},
        "models.adm-128.training.learning_rate",
        "inf",
        "finite",
    ),
    "not a number": (network("adm-128", channel_multiplier=[float("nan")]), "channel_multiplier.0", "nan", "finite"),
    "average that never moves": ({"models.adm-128.training.ema_rate": 1.0}, "training.ema_rate", "1.0", "less than 1"),
    "dropout of everything": (network("adm-128", dropout=1.0), "models.adm-128.network.dropout", "1.0", "less than 1"),
    "negative guidance": ({"runs.scale-2.gradient_scale": -1.0}, "runs.scale-2.gradient_scale", "-1.0", "equal to 0"),
    "temperature above one": ({"runs.scale-2.noise_temperature": 1.5}, "noise_temperature", "1.5", "or equal to 1"),
    "eta above one": (
        {"runs.scale-2.sampler": "ddim", "runs.scale-2.eta": 1.1},
        "runs.scale-2.eta",
        "1.1",
        "less than or equal to 1",
    ),
    "single sample": ({"runs.scale-2.num_samples": 1}, "runs.scale-2.num_samples", "1", "greater than or equal to 4"),
    "key with a slash": ({"models.a/b": {"kind": "uniform"}}, "models.a/b", "'a/b'", "a-z0-9"),
    "results elsewhere": ({"paths.results": "/tmp/results"}, "paths.results", "'/tmp/results'", "^results/"),
    "params at the root of the disk": ({"paths.params": "/params.yaml"}, "paths.params", "'/params.yaml'", "a-z0-9"),
    "params outside of the project": (
        {"paths.params": "scales/../../params.yaml"},
        "paths.params",
        "'scales/../../params.yaml'",
        "a-z0-9",
    ),
    # Networks that cannot be.
    "attention that never occurs": (
        network("adm-128", attention_resolutions=[5]),
        "models.adm-128.network",
        "5",
        "sides 8, 4",
    ),
    "heads that do not divide": (
        network("adm-128", head_channels=48),
        "models.adm-128.network",
        "head_channels 48",
        "64",
    ),
    "heads that do not divide by number": (
        network("adm-128", head_channels=MISSING, heads=3),
        "models.adm-128.network",
        "heads 3",
        "divide the 64 channels",
    ),
    "heads twice": (network("adm-128", heads=2), "models.adm-128.network", "exactly one of heads and head_channels"),
    "no heads": (
        network("adm-128", head_channels=MISSING),
        "models.adm-128.network",
        "exactly one of heads and head_channels",
    ),
    "channels of no group": (
        network("adm-128", channels=40, head_channels=8),
        "models.adm-128.network",
        "40",
        "multiple of 32",
    ),
    "negative level": (
        network("adm-128", channel_multiplier=[1, -1]),
        "models.adm-128.network",
        "-32",
        "multiple of 32",
    ),
    "no level": (network("adm-128", channel_multiplier=[]), "network.channel_multiplier", "[]", "at least 1"),
    "halved too often": (
        network("adm-128", channel_multiplier=[1, 1, 1, 1, 1]),
        "models.adm-128.network",
        "image_size 8",
        "multiple of 16",
    ),
    "classifier without classes": (
        network("classifier-128", num_classes=None),
        "classifier-128.network.num_classes",
        "None",
        "integer",
    ),
    "unknown pooling": (
        network("classifier-128", pooling="max"),
        "classifier-128.network.pooling",
        "'max'",
        "'attention'",
    ),
    "upsampler of nothing": (
        {"models.up": UPSAMPLER | {"network": UPSAMPLER["network"] | {"low_resolution": 8}}},
        "models.up.network",
        "low_resolution 8",
        "smaller than image_size 8",
    ),
    # Objectives, variances and schedules that do not meet.
    "hybrid with a fixed variance": (
        {"models.adm-128.noise.variance": "beta"},
        "models.adm-128",
        "'hybrid'",
        "'learned_range'",
        "'beta'",
    ),
    "variance left untrained": (
        {"models.adm-128.objective": "simple"},
        "models.adm-128",
        "'simple'",
        "use 'hybrid' or 'vlb'",
    ),
    "linear schedule too short": (
        {"models.adm-128.noise": {"timesteps": 20, "schedule": "linear"}},
        "models.adm-128.noise",
        "timesteps 20",
        "more than 20",
    ),
    "accumulation that does not divide": (
        {"models.adm-128.training.accumulation": 5},
        "models.adm-128.training",
        "accumulation 5",
        "batch_size 16",
    ),
    "more steps than timesteps": ({"runs.scale-2.steps": "1001"}, "runs.scale-2.steps", "'1001'", "1000"),
    "section with too many steps": ({"runs.scale-2.steps": "600,10"}, "runs.scale-2.steps", "'600,10'", "500"),
    "no integer stride": ({"runs.scale-2.steps": "ddim700"}, "runs.scale-2.steps", "'ddim700'", "1000"),
    "no steps": ({"runs.scale-2.steps": "0"}, "runs.scale-2.steps", "'0'", "visits no timestep"),
    "malformed steps": ({"runs.scale-2.steps": "50,"}, "runs.scale-2.steps", "'50,'", "pattern"),
    "eta without ddim": ({"runs.scale-2.eta": 0.5}, "runs.scale-2", "eta 0.5", "'ddpm'"),
    "ddim at the mean": (
        {"runs.scale-2.sampler": "ddim", "runs.scale-2.gradient_at": "mean"},
        "runs.scale-2",
        "gradient_at 'mean' is for sampler 'ddpm'",
    ),
    # Names of nothing.
    "extractor of no dataset": ({"extractors.digits.dataset": "cats"}, "extractors.digits.dataset", "'cats'", "digits"),
    "reference of no dataset": ({"references.digits.dataset": "cats"}, "references.digits.dataset", "'cats'", "digits"),
    "reference of no extractor": (
        {"references.digits.extractor": "vgg"},
        "references.digits.extractor",
        "'vgg'",
        "digits",
    ),
    "segment of no model": (
        {"segments.adm-128-500.model": "adm-129"},
        "segments.adm-128-500.model",
        "'adm-129'",
        "of the 18 there are, nearest are adm-128",
    ),
    "segment of no dataset": (
        {"segments.adm-128-500.dataset": "cats"},
        "segments.adm-128-500.dataset",
        "'cats'",
        "digits",
    ),
    "run of no checkpoint": (
        {"runs.scale-2.checkpoint": "adm-128-251"},
        "runs.scale-2.checkpoint",
        "'adm-128-251'",
        "nearest are adm-128-250",
    ),
    "run of a model": (
        {"runs.scale-2.checkpoint": "adm-128"},
        "runs.scale-2.checkpoint",
        "'adm-128' is no checkpoint",
        "adm-128-0",
    ),
    "run of no classifier": (
        {"runs.scale-2.classifier": "classifier-129-0"},
        "runs.scale-2.classifier",
        "'classifier-129-0'",
        "classifier-128-0",
    ),
    "run of no reference": ({"runs.scale-2.reference": "cats"}, "runs.scale-2.reference", "'cats'", "digits"),
    "run of no extractor": ({"runs.scale-2.extractor": "vgg"}, "runs.scale-2.extractor", "'vgg'", "digits"),
    # Names of the wrong thing.
    "sampling a classifier": (
        {"runs.scale-2.checkpoint": "classifier-128-1000"},
        "runs.scale-2.checkpoint",
        "'classifier'",
        "'diffusion'",
    ),
    "sampling an upsampler": (
        {"models.up": UPSAMPLER, "runs.scale-2.checkpoint": "up-0"},
        "runs.scale-2.checkpoint",
        "'up-0'",
        "'diffusion'",
    ),
    "guidance by a denoiser": (
        {"runs.scale-2.classifier": "adm-128-0"},
        "runs.scale-2.classifier",
        "'adm-128-0'",
        "'classifier' or 'uniform'",
    ),
    "scale without a classifier": (
        {"runs.scale-2.classifier": "unguided-0"},
        "runs.scale-2.gradient_scale",
        "2.0",
        "use 0.0",
    ),
    "classifier of another schedule": (
        {"models.classifier-128.noise.schedule": "linear"},
        ".classifier",
        "schedule is 'linear'",
        "'cosine'",
    ),
    "classifier of another length": (
        {"models.classifier-128.noise.timesteps": 500},
        ".classifier",
        "timesteps is 500",
        "has 1000",
    ),
    "classifier of another size": (
        network("classifier-128", image_size=16, attention_resolutions=[8])
        | {"datasets.large": {"source": "digits", "image_size": 16, "num_classes": 10, "shard_size": 9}}
        | {"segments.classifier-128-300.dataset": "large", "segments.classifier-128-1000.dataset": "large"},
        "runs.adm-128-250.classifier",
        "image_size is 16",
        "has 8",
    ),
    "classifier of other classes": (
        network("classifier-128", num_classes=5)
        | {"datasets.five": {"source": "digits", "image_size": 8, "num_classes": 5, "shard_size": 9}}
        | {"segments.classifier-128-300.dataset": "five", "segments.classifier-128-1000.dataset": "five"},
        "runs.adm-128-250.classifier",
        "num_classes is 5",
        "has 10",
    ),
    "dataset of another size": (
        {"datasets.digits.image_size": 16},
        "segments.adm-128-250.dataset",
        "image_size is 16",
        "has 8",
    ),
    "dataset of other classes": (
        {"datasets.digits.num_classes": 7},
        "segments.adm-128-250.dataset",
        "num_classes is 7",
        "has 10",
    ),
    "extractor that is not the reference's": (
        {"extractors.other": "= extractors.digits", "runs.scale-2.extractor": "other"},
        "runs.scale-2.extractor",
        "'other'",
        "'digits'",
    ),
    # Chains of segments.
    "segment after nothing": (
        {"segments.adm-128-500.previous": "adm-128-7"},
        "segments.adm-128-500.previous",
        "'adm-128-7'",
        "adm-128-500",
    ),
    "segment after another model": (
        {"segments.adm-128-500.previous": "classifier-128-0"},
        "segments.adm-128-500.previous",
        "'classifier-128'",
        "'adm-128'",
    ),
    "segment that goes back": ({"segments.adm-128-500.stop": 200}, "segments.adm-128-500.stop", "200", "exceed 450"),
    "segment that stands still": (
        {"segments.adm-128-500.stop": 450},
        "segments.adm-128-500.stop",
        "450",
        "must exceed",
    ),
    "segment after itself": (
        {"segments.adm-128-500.previous": "adm-128-500"},
        "segments.adm-128-500.stop",
        "500",
        "must exceed 500",
    ),
    "segment in a circle": (
        {"segments.adm-128-250.previous": "adm-128-500"},
        "segments.adm-128-250.stop",
        "250",
        "must exceed 500",
    ),
    "segment of the uniform classifier": (
        {"segments.none-1": {"model": "unguided", "dataset": "digits", "previous": "unguided-0", "stop": 1}},
        "segments.none-1.model",
        "'unguided'",
        "not trained",
    ),
    "segment named as an initial checkpoint": (
        {"segments.adm-128-0": {"model": "adm-128", "dataset": "digits", "previous": "adm-128-0", "stop": 1}},
        "segments.adm-128-0",
        "initial checkpoint of model 'adm-128'",
    ),
    "segment named as another model's initial checkpoint": (
        {"segments.classifier-128-0": {"model": "adm-128", "dataset": "digits", "previous": "adm-128-0", "stop": 1}},
        "segments.classifier-128-0",
        "initial checkpoint of model 'classifier-128'",
    ),
    "segment past the end of the learning rate": (
        {"models.classifier-128.training.annealing": 900},
        "segments.classifier-128-1000.stop",
        "1000",
        "annealing 900",
    ),
    "reference of another size": (
        {
            "datasets.big": {"source": "digits", "image_size": 16, "num_classes": 10, "shard_size": 9},
            "references.digits.dataset": "big",
        },
        "runs.adm-128-250.reference",
        "'digits' has image_size 16",
        "run's images have 8",
    ),
    "side that cannot be pooled": ({"extractors.digits.side": 15}, "extractors.digits.side", "15", "multiple of 4"),
    "extractor without seven channels": (
        {"extractors.digits.channels": 2},
        "extractors.digits.channels",
        "2",
        "greater than or equal to 4",
    ),
    # Tables and figures.
    "row of no run": ({"tables.table_8.rows.0": "adm-128-7"}, "tables.table_8", "'adm-128-7'", "adm-128-250"),
    "no rows": ({"tables.table_8.rows": []}, "tables.table_8.rows", "[]", "at least 1"),
    "sweep, which is gone": ({"tables.table_8.sweep": "none"}, "tables.table_8", "'sweep'", "accepted are rows"),
    "grid of no run": (
        {"figures.figure_21.run": "scale-9"},
        "figures.figure_21",
        "'scale-9'",
        "scale-2",
    ),
    "grid of no class": (
        {"figures.figure_21.classes": [3, 10]},
        "figures.figure_21.classes",
        "10 is no class",
        "there are 10",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_one_line(refusal, case):
    changes, *expected = BROKEN[case]
    message = refusal(changes)
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize("content", [None, [], "hello", 5])
def test_what_is_no_mapping_is_refused(content):
    with pytest.raises(UserError) as error:
        check(content, "scale.yaml")
    assert repr(content) in str(error.value)
    assert "valid dictionary" in str(error.value)


def test_errors_beyond_the_first_are_counted(refusal):
    assert refusal({"runs": MISSING, "tables": MISSING}).endswith("(and 1 more)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"models: [1, 2", "is no YAML"),
        (b"a: b: c", "is no YAML"),
        (b"\tmodels: 1", "is no YAML"),
        (b"models: !!python/object:os.system {}", "is no YAML"),
        (b"name: caf\xe9", "is no YAML: byte 9 is not UTF-8"),
        (b"a: \x00", "is no YAML"),
        (b"models: {}\nmodels: {}", "is no YAML: key 'models' stands twice"),
        (b"", "None is not accepted"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("project", "said"),
    [
        ("../..", "params.yaml"),
        ("../..", "scales/far/params.yaml"),
        ("..", "params.yaml"),
        (".", "scales/params.yaml"),
        (".", "other.yaml"),
    ],
)
def test_a_file_that_lies_elsewhere_than_it_says_is_refused(adm, params, tmp_path, project, said):
    """What it has written would lie outside of its project."""
    path = tmp_path / "a" / "b" / "params.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({**params, "paths": {**params["paths"], "project": project, "params": said}}))
    code, out, err = adm("check", "--params", path, "--out", path.with_name("code"))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"error: {path}: paths.params: {said!r} is ")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


def test_a_file_that_lies_where_it_says_is_read(params, tmp_path, monkeypatch):
    path = tmp_path / "a" / "b" / "params.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(
        yaml.safe_dump({**params, "paths": {**params["paths"], "project": "..", "params": "b/params.yaml"}})
    )
    assert load(path).paths.params == "b/params.yaml"
    monkeypatch.chdir(path.parent)
    (tmp_path / "link").symlink_to(path.parent)
    for same in ("params.yaml", "../b/params.yaml", tmp_path / "link" / "params.yaml"):
        assert load(same) == load(path)


def test_a_missing_file_is_named(tmp_path):
    for path, reason in [(tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(UserError, match=reason) as error:
            load(path)
        assert str(error.value).startswith(f"{path}: cannot be read")


def test_every_section_refuses_unknown_keys_and_is_frozen():
    waiting, found = [Params], set()
    while waiting:
        section = waiting.pop()
        if section in found:
            continue
        found.add(section)
        assert section.model_config["extra"] == "forbid"
        assert section.model_config["frozen"]
        assert section.model_config["strict"]
        for field in section.model_fields.values():
            waiting += _sections(field.annotation)
    assert len(found) > 15


def _sections(annotation):
    inner = [section for part in getattr(annotation, "__args__", ()) for section in _sections(part)]
    return inner + [annotation] * hasattr(annotation, "model_fields")


def test_params_import_no_torch_and_nothing_else_that_is_slow(root):
    script = "import sys, adm.params; print(' '.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment, text=True)
    slow = {"torch", "tensorflow", "numpy", "scipy", "sklearn", "pandas", "matplotlib"}
    assert not slow & set(done.stdout.split())
